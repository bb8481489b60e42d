"""Long recordings in chunks: every word is there once, with a recogniser that writes a word for each tone it hears."""

import itertools
from typing import Any

import numpy as np
import pytest

from jaxspeech.audio.chunks import LONGEST_SECONDS, cut_into_chunks
from jaxspeech.audio.voice_activity import ENERGY_DETECTOR
from jaxspeech.inference.chunked import predict_chunks
from jaxspeech.inference.recognised_parts import PartRecogniser
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.char import CharTokenizer

RATE, BLOCK = 8000, 800
NOTHING: Any = None
LETTERS = CharTokenizer(tuple(" abcdefghijklmnopqrstuvwxyz"))
RECOGNITION = Recognition(RATE, BLOCK / RATE, LETTERS.vocab_size, *[NOTHING] * 4)
NAMES = [a + b + c for a in "bdfgklmn" for b in "aeiou" for c in ("rt", "sk", "ng")]


def pitch(word: int) -> float:
    return 200.0 + 30 * word


def tone(word: int, seconds: float = 0.8) -> np.ndarray:
    time_axis = np.arange(round(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * pitch(word) * time_axis)).astype(np.float32)


def hum(seconds: float, level: float = 0.1) -> np.ndarray:
    """What is between words where there is no silence; softer than they are, and never the same."""
    return (level * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


class Ears:
    """Stands for a model: writes a word for each tone, and `hears` may change what it writes of a chunk."""

    def __init__(self, hears=lambda words, chunk: words, times=False):
        self.hears, self.times, self.shapes, self.count = hears, times, [], 0

    def start(self, variables, shape, audio, **outputs):
        self.shapes.append(shape)
        rows = []
        for i in shape.indices:
            rows.append(self.hears(self.words(audio[i]), i))
        width = max((sum(len(word) + 1 for word, _, _ in row) for row in rows), default=0) + 3
        ids, ends = np.zeros((shape.rows, width), np.int32), np.zeros((shape.rows, width), np.int32)
        starts, counts = np.zeros_like(ids), np.zeros(shape.rows, np.int32)
        confidence = np.full((shape.rows, width), np.nan, np.float32)
        score = np.full(shape.rows, np.nan, np.float32)
        for row, said in enumerate(rows):
            text = LETTERS.encode(" ".join(word for word, _, _ in said))
            ids[row, : len(text)], counts[row] = text, len(text)
            confidence[row, : len(text)] = 0.9
            score[row] = len(text) * np.log(0.9) - 1
            if self.times:
                place = 0
                for word, begin, end in said:
                    starts[row, place : place + len(word)], ends[row, place : place + len(word)] = begin, end
                    starts[row, place + len(word)], ends[row, place + len(word)] = end, end
                    place += len(word) + 1
        return Prediction(Tokens(ids, counts, starts, ends, confidence, score)), ""

    @staticmethod
    def words(samples):
        """(name, first block, block after the last) of each tone; if cut at an edge, a part of the name."""
        blocks = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK)
        spectrum = np.abs(np.fft.rfft(blocks * np.hanning(BLOCK), 8 * BLOCK, axis=1))
        peak = spectrum.argmax(1) * RATE / (8 * BLOCK)
        loud = spectrum.max(1) > 30
        number = np.where(loud, np.round((peak - 200) / 30), -1).astype(int)
        found, at = [], 0
        while at < len(number):
            end = at
            while end < len(number) and number[end] == number[at]:
                end += 1
            if number[at] >= 0 and end - at >= 2:
                name = NAMES[number[at] % len(NAMES)]
                found.append((name if end - at >= 6 else name[: end - at - 1], at, end))
            at = end
        return found


def transcribe(samples, ears=None, detector: Any = ENERGY_DETECTOR, batch_size=16):
    ears = Ears() if ears is None else ears
    recognise = PartRecogniser(RECOGNITION, ears, {}, batch_size)
    prediction, note = predict_chunks(recognise, LETTERS, samples, detector)
    tokens = prediction.tokens
    assert tokens is not None
    assert tokens.num_tokens[0] == len(tokens.ids[0]) == len(tokens.confidence[0]) == len(tokens.starts[0])
    return LETTERS.decode(tokens.ids[0].tolist()), tokens, note


def spoken(count, gap, seconds=0.8):
    """A recording of words, and its text."""
    parts = [np.concatenate([tone(k, seconds), gap(k)]) for k in range(count)]
    return np.concatenate(parts), " ".join(NAMES[:count])


def without_silence(k):
    return hum(0.2)


def with_silences(k):
    return np.zeros(round((0.9 if k % 5 == 4 else 0.2) * RATE), np.float32)


@pytest.mark.parametrize("gap", [without_silence, with_silences])
@pytest.mark.parametrize("times", [False, True])
def test_all_words_of_84_seconds_are_there_once(gap, times):
    samples, text = spoken(84, gap)
    ears = Ears(times=times)
    found, tokens, note = transcribe(samples, ears)
    assert found == text
    assert note.startswith("in 3 chunks") and ("within speech" in note) == (gap is without_silence)
    assert "common word" not in note and len(ears.shapes) == 1  # all chunks are one batch
    if times:
        spaced = tokens.starts[0][: -len(NAMES[83])]
        assert (np.diff(spaced) >= 0).all() and abs(int(tokens.ends[0, -1]) * BLOCK - len(samples)) < 4 * BLOCK
    # The log-probability of the tokens that are left and of three ends; spaces that were added are certain.
    expected = np.log(tokens.confidence[0]).sum() - 3
    np.testing.assert_allclose(tokens.score[0], expected, rtol=1e-4)


@pytest.mark.parametrize("offset", np.arange(0, 10).tolist())
def test_wherever_the_words_are_at_the_cut(offset):
    samples, text = spoken(60, lambda k: hum(0.02, 0.25), seconds=1.0)
    lead = hum(0.1 * offset + 0.1)
    found, _, note = transcribe(np.concatenate([lead, samples]))
    assert found == text, note


def test_no_silence_at_all_even_for_the_detector():
    samples, text = spoken(84, without_silence)
    found, _, note = transcribe(samples, detector=lambda samples, rate: [(0.0, len(samples) / rate)])
    assert found == text and "2 of 2 cuts within speech" in note
    found, _, note = transcribe(samples, detector=lambda samples, rate: [])
    assert found == text and "2 of 2 cuts within speech" in note


def test_wording_that_differs_in_the_overlap_is_written_once():
    samples, text = spoken(60, without_silence)

    def hears(words, chunk):
        if chunk == 1:  # one word differs by a letter, one is missing
            words = [("x" + words[0][0][1:], *words[0][1:]), *words[1:]]
        if chunk == 0:
            words = [*words[:-1], ("wholly", *words[-1][1:])]
        return words

    found, _, _ = transcribe(samples, Ears(hears))
    assert len(found.split()) == 60
    differ = [(a, b) for a, b in zip(found.split(), text.split(), strict=True) if a != b]
    assert len(differ) <= 1  # near the end of a chunk the next one is right, near its beginning the one before


@pytest.mark.parametrize("missing", [0, 1])
def test_a_word_that_only_one_chunk_has_is_kept(missing):
    samples, text = spoken(60, without_silence)
    (first, second) = cut_into_chunks(samples, RATE, ENERGY_DETECTOR(samples, RATE), frame=BLOCK)
    middle = (second.start + first.end) / 2 / RATE
    lost = NAMES[int(middle)]

    def hears(words, chunk):
        return [word for word in words if chunk != missing or word[0] != lost]

    found, _, _ = transcribe(samples, Ears(hears))
    assert found == text


@pytest.mark.parametrize("times", [False, True])
def test_repeated_words_are_neither_lost_nor_doubled(times):
    parts = [np.concatenate([tone(3), hum(0.2)]) for _ in range(60)]
    found, _, _ = transcribe(np.concatenate(parts), Ears(times=times))
    assert found == " ".join([NAMES[3]] * 60)


def test_an_empty_chunk_between_others_loses_only_its_own_words():
    samples, text = spoken(84, without_silence)
    chunks = cut_into_chunks(samples, RATE, ENERGY_DETECTOR(samples, RATE), frame=BLOCK)
    found, _, note = transcribe(samples, Ears(lambda words, chunk: [] if chunk == 1 else words))
    heard = {name for chunk in (chunks[0], chunks[2]) for name, _, _ in Ears.words(samples[slice(*chunk)])}
    assert [word for word in text.split() if word in heard] == [word for word in found.split() if word in NAMES]
    assert "common word" not in note  # there was none to compare
    assert transcribe(samples, Ears(lambda words, chunk: []))[0] == ""


def test_nothing_in_common_is_written_twice_and_said():
    samples, _ = spoken(60, without_silence)
    ears = Ears(
        lambda words, chunk: [("zzzz" + "y" * i, *word[1:]) for i, word in enumerate(words)] if chunk else words
    )
    found, _, note = transcribe(samples, ears)
    assert "without a common word at" in note and "twice" in note
    first, second = cut_into_chunks(samples, RATE, ENERGY_DETECTOR(samples, RATE), frame=BLOCK)
    expected = [name for name, _, _ in Ears.words(samples[slice(*first)])]
    assert found.split()[: len(expected)] == expected
    assert found.count("zzzz") == len(Ears.words(samples[slice(*second)]))


def test_silence_is_not_recognised_and_faint_speech_is():
    nothing = Ears(lambda words, chunk: [("invented", 0, 1)])
    assert transcribe(np.zeros(100 * RATE, np.float32), nothing)[0] == "" and not nothing.shapes
    samples, text = spoken(60, with_silences)
    found, _, _ = transcribe(np.concatenate([samples, np.zeros(60 * RATE, np.float32)]))
    assert found == text


def test_chunks_cover_everything_within_their_lengths():
    rng = np.random.default_rng(1)
    for seconds in (40.01, 44.9, 61.0, 100.0, 123.456):
        samples = rng.standard_normal(round(seconds * RATE)).astype(np.float32) * 0.1
        chunks = cut_into_chunks(samples, RATE, [], frame=BLOCK)
        assert chunks[0].start == 0 and chunks[-1].end == len(samples)
        for before, after in itertools.pairwise(chunks):
            assert before.start < after.start <= before.end and after.start % BLOCK == 0
            assert 30 <= (before.end - before.start) / RATE <= LONGEST_SECONDS
        assert 5 <= (chunks[-1].end - chunks[-1].start) / RATE <= LONGEST_SECONDS
