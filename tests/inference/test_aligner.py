"""Aligns texts with recordings. Models and texts are random."""

import functools
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.errors import AudioError, ConfigError, ManifestError
from jaxspeech.inference import read_ahead
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.search.forced_alignment import forced_alignment
from tests.inference.test_long import RATE, TDT, recognizer
from tests.inference.test_long import minute as minute
from tests.interop.random_model import CHARACTERS, random_archive
from tests.pipelines.tiny_recognizer import chirps

TEXT = "The quick brown fox\njumps over 13 lazy dogs."
FRAME = 0.08


@functools.cache
def hybrid() -> Recognizer:
    return Recognizer(random_archive(TDT | {"task": "hybrid"}, CHARACTERS))


def times(hypothesis: Hypothesis) -> list[tuple[str, float, float]]:
    assert hypothesis.words is not None
    return [word[:3] for word in hypothesis.words]


@pytest.mark.parametrize("model", [lambda: recognizer("ctc"), hybrid], ids=["ctc", "hybrid"])
def test_the_times_are_those_of_the_best_path(model) -> None:
    asr, samples = model(), chirps(0, 9.0)
    [heard] = asr.transcribe(samples, return_log_probs=True)
    [found] = asr.align(samples, "the lazy dog")
    labels = np.array([CHARACTERS.encode("the lazy dog")])
    num_frames = np.array([len(heard.log_probs)])
    path = forced_alignment(heard.log_probs[None], num_frames, labels, np.array([12]), blank_id=len(CHARACTERS.pieces))
    starts, ends, confidence, score = (np.asarray(part)[0] for part in path)
    ends = np.minimum(ends, 9.0 / FRAME)  # the last frame extends beyond the audio
    assert times(found) == [
        ("the", pytest.approx(starts[0] * FRAME), pytest.approx(ends[2] * FRAME)),
        ("lazy", pytest.approx(starts[4] * FRAME), pytest.approx(ends[7] * FRAME)),
        ("dog", pytest.approx(starts[9] * FRAME), pytest.approx(ends[11] * FRAME)),
    ]
    assert found.score == pytest.approx(score, rel=1e-4) and found.confidence == pytest.approx(
        confidence.mean(), rel=1e-3
    )
    assert found.tokens == tuple(labels[0]) and (found.text, found.duration) == ("the lazy dog", 9.0)
    assert "".join(char.text for char in found.chars) == "the lazy dog" and found.segments[0].text == "the lazy dog"
    assert found.log_probs is None and found.note is None and found.error is None


def test_words_stay_as_written_and_lines_are_segments() -> None:
    [found] = recognizer("ctc").align(chirps(1, 9.0), TEXT)
    assert [word.text for word in found.words] == TEXT.split()
    assert [segment.text for segment in found.segments] == TEXT.splitlines()
    assert found.segments[0].start == found.words[0].start and found.segments[0].end == found.words[3].end
    assert found.note == "words that the tokenizer cannot spell were placed between their neighbours: 13"
    for spans in (found.words, found.chars, found.segments):
        assert all(0 <= a.start < a.end <= b.start + 1e-9 for a, b in itertools.pairwise(spans))
    [sentences] = recognizer("ctc").align(chirps(1, 9.0), "The quick fox. Jumps!")
    assert [segment.text for segment in sentences.segments] == ["The quick fox.", "Jumps!"]


def test_together_as_alone_in_the_order_of_the_inputs() -> None:
    asr = recognizer("ctc")
    pairs = [(chirps(i, seconds), text) for i, (seconds, text) in enumerate([(9.0, TEXT), (8.2, "a dog"), (9.9, TEXT)])]
    together = asr.align(pairs, batch_size=4)
    for hypothesis, pair in zip(together, pairs, strict=True):
        [alone] = asr.align(*pair)
        assert times(alone) == times(hypothesis)
        np.testing.assert_allclose(alone.score, hypothesis.score, rtol=1e-4)
    assert [hypothesis.source for hypothesis in together] == ["array 0", "array 1", "array 2"]


def test_long_recordings_by_every_form(minute: np.ndarray) -> None:
    asr = recognizer("ctc")
    text = " ".join([TEXT] * 5)
    [full] = asr.align(minute, text, long="full")
    assert full.words[-1].end > 40
    for how, note in (("local", "by local attention"), ("buffered", "in windows of 30 s")):
        [found] = asr.align(minute, text, long=how, batch_size=2)
        assert found.note.startswith(f"{note} (as asked for); words that")
        assert times(found) == times(full)
        np.testing.assert_allclose(found.score, full.score, rtol=1e-4)


def test_a_manifest_with_parts_of_files(tmp_path: Path) -> None:
    asr = recognizer("ctc")
    soundfile.write(tmp_path / "a.wav", np.concatenate([chirps(5, 2.0), chirps(0, 9.0)]), RATE, subtype="FLOAT")
    lines = [{"audio_filepath": "a.wav", "offset": 2.0, "text": "the dog"}, {"audio_filepath": "a.wav"}, {"text": "x"}]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    part, no_text, no_audio = asr.align(tmp_path / "m.jsonl", on_error="skip")
    [whole] = asr.align(chirps(0, 9.0), "the dog")
    np.testing.assert_allclose([w.start for w in part.words], [2.0 + w.start for w in whole.words])
    assert no_text.error == f"{tmp_path / 'a.wav'}: there is no text to align" and no_text.words is None
    assert "audio_filepath" in no_audio.error
    with pytest.raises(ManifestError, match="no text to align"):
        asr.align([tmp_path / "a.wav"])


@pytest.mark.parametrize(
    ("audio", "text", "error"),
    [
        (
            chirps(0, 1.0),
            "much too long for its audio",
            r"array 0: the text's 27 tokens do not fit into 1\.0 s of audio",
        ),
        (np.zeros(100, np.float32), "a", r"0 frames\)"),
        (chirps(0, 1.0), "—", "nothing to pronounce"),
    ],
)
def test_texts_that_cannot_be_aligned(audio: np.ndarray, text: str, error: str) -> None:
    asr = recognizer("ctc")
    with pytest.raises(AudioError, match=error):
        asr.align(audio, text)
    bad, good = asr.align([(audio, text), (chirps(0, 9.0), "the dog")], on_error="skip")
    assert bad.error and bad.words is None and "\n" not in bad.error
    assert times(good) == times(asr.align(chirps(0, 9.0), "the dog")[0])


def test_models_and_options_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no CTC head"):
        recognizer("tdt").align(chirps(0, 1.0), "a")
    with pytest.raises(ConfigError, match="batch_size"):
        recognizer("ctc").align([], batch_size=0)
    with pytest.raises(AudioError, match="no text to align"):
        recognizer("ctc").align(chirps(0, 1.0))
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", chirps(0, 1.0), RATE)
    with pytest.raises(ManifestError, match="several recordings"):
        recognizer("ctc").align(tmp_path, "a")
    assert recognizer("ctc").align([]) == []


def test_an_endless_generator_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "WINDOW_RECORDINGS", 4)
    samples = chirps(0, 9.0)
    found = recognizer("ctc").align_iter(((samples, "a dog") for _ in itertools.count()), batch_size=1)
    assert len(list(itertools.islice(found, 5))) == 5
    found.close()


@pytest.mark.slow
def test_an_hour_of_text() -> None:
    """9,000 words in 45,000 frames: in order, inside, and with the score of a float64 trellis over all of it."""
    asr, blank = recognizer("ctc"), len(CHARACTERS.pieces)
    rng = np.random.default_rng(0)
    samples = (0.1 * rng.standard_normal(3600 * RATE)).astype(np.float32)
    text = " ".join("".join(rng.choice(list("abcdefghij"), rng.integers(1, 4))) for _ in range(9000))
    [found] = asr.align(samples, text, long="buffered", return_log_probs=True)
    assert [word.text for word in found.words] == text.split()
    assert all(a.end <= b.start for a, b in itertools.pairwise(found.words)) and found.words[-1].end <= 3600 + FRAME

    states = np.full(2 * len(text) + 1, blank)
    states[1::2] = CHARACTERS.encode(text)
    no_jump = np.r_[True, True, states[2:] == states[:-2]] | (states == blank)
    scores = np.r_[0.0, np.full(len(states) - 1, -np.inf)]
    for t, frame in enumerate(found.log_probs.astype(np.float64)):
        one, two = np.r_[-np.inf, scores[:-1]], np.r_[-np.inf, -np.inf, scores[:-2]]
        two[no_jump] = -np.inf
        scores = (np.maximum(np.maximum(scores, one), two) if t else np.r_[0.0, 0.0, scores[2:]]) + frame[states]
    assert found.score == pytest.approx(scores[-2:].max(), rel=1e-6)
