"""Texts that repeat themselves or are improbable are decoded again, and only these."""

import numpy as np
import pytest

from jaxspeech.inference.decoding_again import seed_of
from jaxspeech.inference.guard import TEMPERATURES, guarded
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.prediction import Prediction
from tests.interop.random_model import CHARACTERS

# A loop at the end; words that differ too little for zlib, but whose end is no loop; a text that nothing is wrong with.
LOOP = "so " + "thank you " * 5
WORDY = "a b c " * 14 + "the end of it all"
GOOD = "the quick brown fox"


def predicted(text, *, confidence=0.9):
    ids = np.array([*CHARACTERS.encode(text), 7, 7], np.int32)  # two of padding
    n = len(ids) - 2
    nothing, score = np.zeros(len(ids), np.int32), np.float32((n + 1) * np.log(confidence))
    return Prediction(Tokens(ids, np.int32(n), nothing, nothing, np.full(len(ids), confidence, np.float32), score))


def decoded(first, *later):
    """The chosen text of each part, how it was found, and which parts were decoded at each temperature."""
    asked = []

    def again(places, temperature):
        asked.append((temperature, list(places)))
        return {i: later[len(asked) - 1][i] for i in places}

    chosen = guarded(dict(enumerate(first)), again, CHARACTERS)
    texts = [
        CHARACTERS.decode(x.prediction.tokens.ids[: x.prediction.tokens.num_tokens].tolist()) for x in chosen.values()
    ]
    return texts, [x.how for x in chosen.values()], asked


def test_only_texts_that_fail_are_decoded_again_until_they_pass():
    first = [predicted(GOOD), predicted(LOOP), predicted(""), predicted(GOOD, confidence=0.2), predicted(WORDY)]
    second = {1: predicted("so thank you"), 3: predicted(WORDY), 4: predicted("a b c and the end")}
    third = {3: predicted("a lazy dog")}
    texts, how, asked = decoded(first, second, third)
    assert asked == [(0.2, [1, 3, 4]), (0.4, [3])]
    assert texts == [GOOD, "so thank you", "", "a lazy dog", "a b c and the end"]
    assert how == [
        "",
        "again at temperature 0.2, as the first text repeated itself",
        "",
        "again at temperature 0.4, as the first text was improbable",
        "again at temperature 0.2, as the first text repeated itself",
    ]


def test_if_no_text_passes_the_most_probable_one_without_repetitions_is_taken():
    drawn = [{0: predicted(f"text {'xyzuv'[i]}", confidence=c)} for i, c in enumerate((0.1, 0.3, 0.2, 0.25, 0.05))]
    texts, how, asked = decoded([predicted(LOOP)], *drawn)
    assert [temperature for temperature, _ in asked] == list(TEMPERATURES)
    assert texts == ["text y"] and how == ["as the best of 6 texts; it was improbable"]


def test_if_all_texts_repeat_themselves_the_loop_of_the_first_is_cut():
    found = [predicted(LOOP)]
    texts, how, _ = decoded(found, *[{0: predicted("no " * 9)}] * 5)
    assert texts == ["so thank you"] and how == ["as the best of 6 texts; it repeated itself"]
    # Fewer repetitions are a loop where zlib finds the whole text repetitive.
    assert decoded([predicted("oh " * 14 + "well" + " no" * 5)], *[{0: predicted("no " * 9)}] * 5)[0] == [
        "oh " * 14 + "well no"
    ]
    # The score is that of the tokens that remain.
    chosen = guarded({0: found[0]}, lambda places, t: {0: found[0]}, CHARACTERS)[0].prediction.tokens
    np.testing.assert_allclose(chosen.score, chosen.num_tokens * np.log(0.9), rtol=1e-5)


def test_what_does_not_depend_on_the_text_stays_and_a_joint_score_does_not_count():
    frames = np.zeros((3, 5), np.float32)
    first = predicted(LOOP)._replace(log_probs=frames, num_frames=np.int32(3))
    (chosen,) = guarded({0: first}, lambda places, t: {0: predicted(GOOD)}, CHARACTERS).values()
    assert chosen.prediction.log_probs is frames and chosen.prediction.tokens.num_tokens == len(GOOD)
    # A score with that of a CTC head is lower than the decoder's.
    joint = predicted(GOOD)._replace(tokens=predicted(GOOD).tokens._replace(score=np.float32(-99)))
    assert guarded({0: joint}, lambda places, t: {}, CHARACTERS)[0].how == ""


@pytest.mark.parametrize(("confidence", "kept"), [(0.9, ""), (0.1, GOOD)])
def test_an_empty_text_that_was_drawn_must_be_probable(confidence, kept):
    drawn = [{0: predicted("", confidence=confidence)}, *[{0: predicted("zzz", confidence=0.01)}] * 4]
    texts, _, _ = decoded([predicted(GOOD, confidence=0.2)], *drawn)
    assert texts == [kept]


def test_a_seed_depends_on_the_recording_the_prompt_and_the_temperature():
    samples = np.arange(8, dtype=np.float32)
    seeds = {seed_of(x, ids, t) for x in (samples, samples[1:]) for ids in ((1, 2), (2,)) for t in (0.2, 0.4)}
    assert len(seeds) == 8 and seed_of(samples.copy(), [1, 2], 0.2) in seeds
    assert all(0 <= seed < 1 << 32 for seed in seeds)
