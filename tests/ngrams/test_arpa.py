"""ARPA files: every way to write them, pruned ones, and what is wrong with a bad one in one line."""

import numpy as np
import pytest

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.arpa import read_arpa, write_arpa
from jaxspeech.ngrams.graph import to_graph
from jaxspeech.ngrams.load import from_arpa, load_ngrams
from jaxspeech.ngrams.model import BEGIN, END
from jaxspeech.ngrams.words import speller
from jaxspeech.text.char import CharTokenizer
from tests.ngrams.models import ARPA, log_prob, spelled, table_of, write

LOG10 = np.log(10)


def follow(graph, state, token):
    """log p and next state by the arcs and backoffs of an automaton."""
    total = 0.0
    while not (hit := np.flatnonzero((graph.sources == state) & (graph.labels == token))).size:
        total += graph.backoff_weights[state]
        if state == graph.backoffs[state]:
            return total, state
        state = graph.backoffs[state]
    return total + graph.weights[hit[0]], graph.targets[hit[0]]


@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_probabilities_are_those_of_the_file(tmp_path, name):
    model = load_ngrams(write(tmp_path / name), CharTokenizer("abc"))
    table = table_of(model)
    a, b = 0, 1
    np.testing.assert_allclose(table[BEGIN, a], np.array([-0.3, -0.25]) * LOG10, rtol=1e-6)
    np.testing.assert_allclose(table[a, b, END][0], -0.22 * LOG10, rtol=1e-6)
    assert len(table) == 13 and model.vocab_size == 3 and model.pieces == ("a", "b", "c")


@pytest.mark.parametrize(
    "text",
    [
        ARPA.replace("\t", " "),  # without tabs
        ARPA.replace("\n", "\r\n"),
        "\n\n" + ARPA,
        "\ufeff" + ARPA,
        spelled(a="d", b="e", c="f"),
    ],
)  # fmt: skip
def test_the_same_model_in_other_spellings(tmp_path, text):
    """The last one has the characters d, e, f, which NeMo writes for the tokens 0, 1, 2."""
    found = from_arpa(write(tmp_path / "other.arpa", text), vocab_size=3, pieces="abc")
    assert table_of(found) == table_of(from_arpa(write(tmp_path / "lm.arpa"), vocab_size=3, pieces="abc"))


def test_every_text_of_a_pruned_model_has_the_probability_of_the_definition(tmp_path):
    """It lacks the prefix "a b" of a trigram, as SRILM prunes."""
    pruned = ARPA.replace("-0.7\ta b\t-0.15\n", "").replace("ngram 2=5", "ngram 2=4")
    given = table_of(from_arpa(write(tmp_path / "lm.arpa"), vocab_size=3, pieces="abc"))
    del given[0, 1]
    model = from_arpa(write(tmp_path / "pruned.arpa", pruned), vocab_size=3, pieces="abc")
    assert (0, 1) in table_of(model)
    graph = to_graph(model)
    texts = [[x, y, z, w] for x in range(3) for y in range(3) for z in range(3) for w in range(3)]
    for text in texts:
        state, history = graph.starts[1], (BEGIN,)
        for token in text:
            score, state = follow(graph, state, token)
            np.testing.assert_allclose(score, log_prob(given, history[-2:], token), rtol=1e-5)
            history = (*history, token)
        np.testing.assert_allclose(graph.finals[state], log_prob(given, history[-2:], END), rtol=1e-5)


def test_a_model_of_order_1(tmp_path):
    text = ARPA.split("\n\\2-grams")[0].replace("ngram 2=5\nngram 3=2\n", "") + "\n\\end\\\n"
    graph = to_graph(from_arpa(write(tmp_path / "one.arpa", text), vocab_size=5, pieces="abcde"))
    for state in graph.starts:
        np.testing.assert_allclose(follow(graph, state, 1)[0], -0.6 * LOG10, rtol=1e-6)
        assert follow(graph, state, 1)[1] == 0
    # Two tokens have no unigram: each has half of <unk>.
    np.testing.assert_allclose(follow(graph, 0, 4)[0], -2 * LOG10 - np.log(2), rtol=1e-6)
    np.testing.assert_allclose(graph.finals, -1.2 * LOG10, rtol=1e-6)


@pytest.mark.parametrize("kind", ["offset", "pieces", "ids"])
@pytest.mark.parametrize("name", ["out.arpa", "out.arpa.gz"])
def test_what_is_written_is_read_again(tmp_path, kind, name):
    model = from_arpa(write(tmp_path / "lm.arpa"), vocab_size=3, pieces="abc")
    write_arpa(tmp_path / name, model, speller(kind, ("a", "b", "c")))
    again = from_arpa(tmp_path / name, vocab_size=3, pieces="abc", words=kind)
    assert table_of(again).keys() == table_of(model).keys()
    for row, values in table_of(model).items():
        np.testing.assert_allclose(table_of(again)[row], values, rtol=1e-6, atol=1e-7)


def test_pieces_that_are_no_words_of_an_arpa_file(tmp_path):
    """A tokenizer has an <unk> of its own, white space, or the bar that stands for a space."""
    for pieces in (("<unk>", " ", "c"), ("|", " ", "\t"), ("a", "b", " ")):
        model = from_arpa(write(tmp_path / "lm.arpa"), vocab_size=3, pieces="abc")
        write_arpa(tmp_path / "out.arpa", model, speller("pieces", pieces))
        again = from_arpa(tmp_path / "out.arpa", vocab_size=3, pieces=pieces, words="pieces")
        assert table_of(again).keys() == table_of(model).keys()


def test_words_that_are_no_tokens_make_a_model_over_words(tmp_path):
    path = write(tmp_path / "words.arpa", spelled(a="hello"))
    model = load_ngrams(path)
    assert model.words and model.pieces == ("hello", "b", "c")
    with pytest.raises(LanguageModelError, match="a model over words, as 'hello', 'b', 'c', not over"):
        load_ngrams(path, CharTokenizer("abc"))
    with pytest.raises(LanguageModelError, match="its word 'hello' is none of the 3 tokens"):
        load_ngrams(path, CharTokenizer("abc"), words="pieces")


def test_unk_is_no_token_though_a_tokenizer_has_such_a_piece(tmp_path):
    given = table_of(from_arpa(write(tmp_path / "lm.arpa"), vocab_size=3, pieces="abc"))
    moved = {tuple(i + (i >= 0) for i in ngram): values for ngram, values in given.items()}
    pieces = "<unk>", "a", "b", "c"
    assert table_of(from_arpa(tmp_path / "lm.arpa", vocab_size=4, pieces=pieces)) == moved
    path = write(tmp_path / "offset.arpa", spelled(a=chr(101), b=chr(102), c=chr(103)))
    assert table_of(from_arpa(path, vocab_size=4, pieces=pieces)) == moved


def test_words_that_can_be_either_must_be_named(tmp_path):
    letters = "".join(map(chr, range(97, 123)))
    path = write(tmp_path / "lm.arpa", spelled(a="d", b="e", c="f"))
    with pytest.raises(LanguageModelError, match="offset or pieces: say which"):
        load_ngrams(path, CharTokenizer(letters))
    assert (3,) in table_of(load_ngrams(path, CharTokenizer(letters), words="pieces"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no ARPA file: line 1 is not "),
        ("hello\n", "no ARPA file: line 1 is not "),
        (ARPA.replace("ngram 2=5", "ngram 2=x"), "line 3 is 'ngram 2=x', not ngram 2="),
        (ARPA.replace("ngram 2=5", "ngram 2=6"), "line 20: fewer 2-grams than the header says"),
        (ARPA.replace("ngram 2=5", f"ngram 2={10**15}"), "line 20: fewer 2-grams than the header says"),
        (ARPA.replace("ngram 2=5", "ngram 2=4"), "line 19: more 2-grams than the 4 of the header"),
        (ARPA.replace("ngram 1=6", "ngram 1=7"), "line 13: fewer 1-grams than the header says"),
        (ARPA.replace("-0.7\ta b", "-0,7\ta b"), "line 16 is no 2-gram: '-0,7"),
        (ARPA.replace("-0.7\ta b", "nan\ta b"), "line 16 is no 2-gram: 'nan"),
        (ARPA.replace("-0.7\ta b", "inf\ta b"), "line 16 is no 2-gram: 'inf"),
        (ARPA.replace("a b\t-0.15", "a b\t1e39"), "line 16 is no 2-gram: "),
        (ARPA.replace("a b\t-0.15", "a\t-0.15"), "line 16 is no 2-gram: "),
        (ARPA.replace("a b\t-0.15", "a z\t-0.15"), "line 16: the word 'z' has no unigram"),
        (ARPA.replace("\tb\t-0.2", "\ta\t-0.2"), "line 11: the word 'a' is there twice"),
        (ARPA.replace("b c\n", "a b\n"), "is there twice"),
        (ARPA.partition("\\3")[0], "it ends at line 20, without"),
        (ARPA.partition("-0.8")[0], "it ends at line 18, within the 2-grams"),
        (ARPA.replace("\\2-grams:", "\\3-grams:"), "line 14 is '\\\\\\\\3-grams:', not "),
        ("mmap lm http://kheafield.com/code format version 5\n", "a KenLM binary: give the ARPA file"),
    ],
)  # fmt: skip
def test_a_bad_file_is_one_line_that_says_where(tmp_path, text, message):
    path = write(tmp_path / "bad.arpa", text)
    with pytest.raises(LanguageModelError, match=message) as caught:
        from_arpa(path, vocab_size=3, pieces="abc")
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_an_impossible_backoff_is_that_of_other_tools(tmp_path):
    texts = [ARPA.replace("-0.15", weight) for weight in ("-inf", "-99")]
    ours, theirs = (from_arpa(write(tmp_path / "lm.arpa", text), vocab_size=3, pieces="abc") for text in texts)
    assert table_of(ours) == table_of(theirs)
    assert np.isfinite(to_graph(ours).backoff_weights).all()


def test_damaged_files_are_one_line(tmp_path):
    (tmp_path / "cut.gz").write_bytes(write(tmp_path / "lm.arpa.gz").read_bytes()[:-30])
    whole = (tmp_path / "lm.arpa.gz").read_bytes()
    (tmp_path / "other.gz").write_bytes(whole[:12] + b"\xff" * 20 + whole[32:])
    (tmp_path / "latin.arpa").write_bytes(ARPA.replace("a", "\xe9").encode("latin-1"))
    for name in ("cut.gz", "other.gz", "latin.arpa"):
        with pytest.raises(LanguageModelError, match=f"{name}: no ARPA file, or damaged") as caught:
            read_arpa(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(LanguageModelError, match=r"none\.arpa: no such file"):
        load_ngrams(tmp_path / "none.arpa")
