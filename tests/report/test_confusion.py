"""Tests the table of a classifier's mistakes."""

from jaxspeech.report.confusion import confusion_table


def test_a_table_of_truth_and_found():
    table = confusion_table([("a", "a"), ("a", "<b>"), ("<b>", "<b>"), None])
    assert "<th>&lt;b&gt;</th>" in table and "<b>" not in table
    assert '<th>a</th><td class="miss">1</td><td class="hit">1</td><td>2</td><td>50%</td>' in table
    assert confusion_table([None]) == ""


def test_of_many_classes_only_the_commonest_mistakes_are_listed():
    pairs = [(f"c{i}", f"c{i}") for i in range(60)] + [("c1", "c2")] * 3
    assert "<th>c1</th><th>c2</th><td>3</td>" in confusion_table(pairs) and "c59" not in confusion_table(pairs)
