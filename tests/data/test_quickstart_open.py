"""The quickstart's corpus with invented words: what is invented, and that the plain corpus stays as it was."""

import hashlib
import json
import random

import pytest

from benchmarks.boosted_names import NAMES
from benchmarks.other_domain import OTHER_WORDS
from jaxspeech.data.invented_words import invented_word
from jaxspeech.data.quickstart import QUICKSTART
from jaxspeech.data.quickstart_open import KNOWN, OPEN_SHARE, QUICKSTART_OPEN, WORDS_ALONE, open_sentence

VARIANTS = dict.fromkeys(("f1", "f2", "f3", "f4", "m1", "m2", "m3", "m4", "iven", "iven2"), "")


@pytest.fixture(scope="module")
def words() -> dict[str, list[list[str]]]:
    """The words of each sentence of each part."""
    parts = QUICKSTART_OPEN.plan(VARIANTS, **QUICKSTART_OPEN.sizes)
    return {name: [one.text.split() for one in part] for name, part in parts.items()}


def test_words_are_various_and_readable():
    rng = random.Random(0)
    found = [invented_word(rng, {"taken"}) for _ in range(5000)]
    assert len({*found}) > 4800 and "taken" not in found
    assert all(3 <= len(word) <= 12 and word.isalpha() and word.islower() for word in found)
    assert {letter for word in found for letter in word} == {*"abcdefghijklmnopqrstuvwxyz"}


def test_shares_of_sentences(words):
    unknown = [[word not in KNOWN for word in text] for text in words["train"]]
    assert sum(map(any, unknown)) / len(unknown) == pytest.approx(OPEN_SHARE, abs=0.02)
    assert sum(map(all, unknown)) / len(unknown) == pytest.approx(OPEN_SHARE * WORDS_ALONE, abs=0.02)
    assert not any({*text} - KNOWN for text in words["dev"])
    assert all({*text} - KNOWN for text in words["new_words"])


def test_what_is_measured_is_not_heard(words):
    heard = {word for text in words["train"] for word in text}
    nouns = {word for texts in OTHER_WORDS.values() for text in texts for word in text.split()}
    assert not heard & ({*NAMES} | nouns) - KNOWN
    assert not heard & {word for text in words["new_words"] for word in text} - KNOWN
    texts = {part: {" ".join(text) for text in found} for part, found in words.items()}
    assert not texts["train"] & (texts["dev"] | texts["new_words"])
    assert len(heard) > 15000


def test_names_come_without_an_article():
    texts = {open_sentence(random.Random(i)) for i in range(400)}
    called = [text.split()[1] for text in texts if text.startswith("call ")]
    assert {*called} - {"the", "my", "our", "your"} and {*called} & {"the", "my", "our", "your"}


def test_plain_corpus_is_as_it_was():
    parts = QUICKSTART.plan(VARIANTS, **QUICKSTART.sizes)
    planned = json.dumps([[name, [one._asdict() for one in part]] for name, part in parts.items()])
    assert (
        hashlib.sha256(planned.encode()).hexdigest()
        == "e816e04ff1de22a6038eac9b29180e63b8dc64161b634fea71d28d629cdd13c0"
    )
