"""TextGrids are read back by a parser written from Praat's manual, and tile the recording for any spans."""

import re
from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given, settings

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.textgrid import to_textgrid
from jaxspeech.search.timestamps import TimedText

EMPTY = Hypothesis("", 0.0, (), 0.0, 2.0, "a.wav", words=(), segments=(), chars=())


def parse(content: str) -> dict[str, list[tuple[float, float, str]]]:
    """Praat takes the numbers, the quoted strings and the flags in their order, and skips everything else."""
    found = re.findall(r'"((?:[^"]|"")*)"|<(exists)>|(?<![\w\[])(-?\d+(?:\.\d+)?)(?![\w\]])', content)
    values = iter([flag or number or text.replace('""', '"') for text, flag, number in found])
    assert [next(values), next(values)] == ["ooTextFile", "TextGrid"]
    assert float(next(values)) == 0
    end = float(next(values))
    assert next(values) == "exists"
    tiers = {}
    for _ in range(int(next(values))):
        assert next(values) == "IntervalTier"
        name = next(values)
        assert (float(next(values)), float(next(values))) == (0, end)
        rows = [(float(next(values)), float(next(values)), next(values)) for _ in range(int(next(values)))]
        assert rows[0][0] == 0 and rows[-1][1] == end
        assert all(a < b for a, b, _ in rows) and all(a[1] == b[0] for a, b in pairwise(rows))
        tiers[name] = rows
    assert next(values, None) is None
    return tiers


def test_words_and_pauses() -> None:
    words = (TimedText('say "hi"', 0.5, 0.9, 1.0), TimedText("1 [2]:", 0.9, 1.2, 1.0))
    segment = TimedText('say "hi" 1 [2]:', 0.5, 1.2, 1.0)
    tiers = parse(to_textgrid(EMPTY._replace(words=words, segments=(segment,))))
    assert list(tiers) == ["segments", "words", "tokens"]
    assert tiers["words"] == [(0, 0.5, ""), (0.5, 0.9, 'say "hi"'), (0.9, 1.2, "1 [2]:"), (1.2, 2.0, "")]
    assert tiers["segments"] == [(0, 0.5, ""), (0.5, 1.2, 'say "hi" 1 [2]:'), (1.2, 2.0, "")]
    assert tiers["tokens"] == [(0, 2.0, "")]


def test_a_word_that_ends_after_the_recording_ends_with_it() -> None:
    tiers = parse(to_textgrid(EMPTY._replace(words=(TimedText("late", 1.96, 2.04, 1.0),))))
    assert tiers["words"] == [(0, 1.96, ""), (1.96, 2.0, "late")] and tiers["tokens"] == [(0, 2.0, "")]


@settings(max_examples=100, deadline=None)
@given(spans=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 12))))
def test_every_span_has_its_interval(spans: list[tuple[int, int]]) -> None:
    words = [TimedText(f"w{i}", 0.04 * a, 0.04 * (a + n), 1.0) for i, (a, n) in enumerate(sorted(spans))]
    rows = parse(to_textgrid(EMPTY._replace(words=tuple(words))))["words"]
    assert [text for *_, text in rows if text] == [word.text for word in words]
    starts = {text: start for start, _, text in rows}
    assert all(starts[word.text] >= word.start - 1e-6 for word in words)
