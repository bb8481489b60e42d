"""The words of two parts that overlap: against what was said, and against NeMo's merges."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from jaxspeech.text.seam import Part, find_seam

REFERENCES = Path(os.environ.get("JAXSPEECH_SHARED", "../shared")) / "peer/refs/eval_metrics.json"


def joined(left, right, *, per_second=0.0, times=None):
    """The words of both parts; without times, all are said at the same time."""
    left, right = left.split(), right.split()
    at = times or ([0.0] * len(left), [0.0] * len(right))
    seam = find_seam(Part(left, at[0]), Part(right, at[1]), per_second=per_second)
    between = [(left, right)[side][word] for side, word in seam.kept]
    return " ".join([*left[: seam.left], *between, *right[seam.right :]])


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("one two three four", "three four five", "one two three four five"),
        ("one two three fo", "three four five", "one two three four five"),  # cut within the last word
        ("one two three four", "ee four five", "one two three four five"),  # and within the first one
        ("one two, three four.", "Three four five", "one two, three four five"),  # case and punctuation
        ("one two colour four", "two color four five", "one two colour four five"),
        ("one two three", "two three", "one two three"),
        ("one two four", "two three four five", "one two three four five"),  # the left part lacks a word
        ("one two three four", "two four five", "one two three four five"),  # the right part does
        ("one two three", "four five", "one two three four five"),  # nothing in common
        ("room 17", "room 18 is", "room 18 is"),
        ("page 17 18", "19 20", "page 17 18 19 20"),  # numbers that are alike are not the same
        ("", "one", "one"),
        ("one", "", "one"),
    ],
)
def test_words_of_two_parts(left, right, expected):
    assert joined(left, right) == expected


def test_times_decide_how_often_a_repeated_word_was_said():
    left, right = "no no no no", "no no no yes"
    times = [0.0, 1.0, 2.0, 3.0], [2.1, 3.1, 4.1, 5.1]
    assert joined(left, right, per_second=2.0, times=times) == "no no no no no yes"
    assert joined(left, right, per_second=0.5, times=times) == "no no no no no yes"


def test_no_word_is_lost_whatever_is_misheard():
    rng = np.random.default_rng(0)
    words = [a + b + c for a in "bdgkmn" for b in "aeiou" for c in ("rt", "sk", "lm")]
    for _ in range(200):
        said = rng.choice(words, 30, replace=False).tolist()
        first, last = int(rng.integers(10, 16)), int(rng.integers(17, 22))
        left, right = said[:last], said[first:]
        wrong = int(rng.integers(first + 1, last))
        if rng.random() < 0.5:
            left[wrong] = "misheard"
        else:
            right[wrong - first] = "misheard"
        found = joined(" ".join(left), " ".join(right)).split()
        assert len(found) == 30
        assert sum(a != b for a, b in zip(found, said, strict=True)) <= 1


@pytest.mark.skipif(not REFERENCES.exists(), reason=f"{REFERENCES} is missing")
def test_as_good_as_nemos_merges_of_tokens():
    cases = json.loads(REFERENCES.read_text()).get("lcs_merge")
    if not cases:
        pytest.skip("lcs_merge is not among the references")
    for case in cases:
        # NeMo's artefacts: 61 in place of a token, 62 after the last one. It compares the first 0.6 x delay tokens.
        few = int(0.6 * case["delay"])
        left, head, rest = (
            " ".join(f"t{i}" for i in tokens) for tokens in (case["buffer"], case["data"][:few], case["data"][few:])
        )
        found = [int(token[1:]) for token in joined(left, head).split() + rest.split()]
        said = [i for i in case["merged"] if i not in (61, 62)]
        assert [i for i in found if i not in (61, 62)] == said
        assert len(found) <= len(case["merged"])
