"""The energy detector is tested on signals whose speech is known, and on a recording with known pauses."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from jaxspeech.audio.read import read
from jaxspeech.audio.segments import cut_at_silences
from jaxspeech.audio.voice_activity import EnergyDetector, Span, VoiceActivity, join

RATE = 16000
SPEECH = [(1.0, 2.5), (4.0, 4.6), (7.0, 9.5)]


def noise(seconds: float, level: float, *, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def syllables(seconds: float, level: float) -> np.ndarray:
    """Harmonics of a voice whose level rises and falls four times per second, like that of speech."""
    time = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    return (level * voice * (0.55 - 0.45 * np.cos(2 * np.pi * 4 * time))).astype(np.float32)


def recording(background: float, *, level: float = 0.1, seconds: float = 11.0) -> np.ndarray:
    samples = noise(seconds, background)
    for start, end in SPEECH:
        samples[round(start * RATE) : round(end * RATE)] += syllables(end - start, level)
    return samples


def assert_finds(found: list[Span], expected: list[Span], *, tolerance: float = 0.3) -> None:
    assert len(found) == len(expected), found
    np.testing.assert_allclose(found, expected, atol=tolerance)


@pytest.mark.parametrize("background", [0.0, 1e-5, 1e-3, 3e-3])
@pytest.mark.parametrize("level", [0.03, 0.3])
def test_speech_in_silence_and_in_noise(background: float, level: float) -> None:
    detector: VoiceActivity = EnergyDetector()
    assert_finds(detector(recording(background, level=level), RATE), SPEECH)


def test_the_floor_follows_the_noise() -> None:
    """Noise that rises by 20 dB half way counts as speech for 1.5 s, not for the rest of the recording."""
    samples = np.concatenate([recording(1e-4), recording(1e-3)])
    found = EnergyDetector()(samples, RATE)
    later = [(a + 11, b + 11) for a, b in SPEECH]
    assert_finds(found, [*SPEECH, (11.0, later[0][1]), *later[1:]])


@pytest.mark.parametrize("samples", [np.zeros(0, "f"), np.zeros(100, "f"), np.zeros(RATE, "f"), noise(20.0, 0.05)])
def test_no_speech(samples: np.ndarray) -> None:
    assert EnergyDetector()(samples, RATE) == []


def test_level_and_sample_rate_do_not_matter() -> None:
    samples = recording(1e-3)
    found = EnergyDetector()(samples, RATE)
    np.testing.assert_allclose(EnergyDetector()(samples * 3, RATE), found)
    np.testing.assert_allclose(EnergyDetector()(samples.repeat(3), 3 * RATE), found, atol=0.1)


def test_spans_are_in_order_and_inside() -> None:
    rng = np.random.default_rng(5)
    loudness = np.repeat(10 ** rng.uniform(-4, 0, 200), RATE // 10)
    samples = (loudness * rng.standard_normal(len(loudness)) / 5).astype(np.float32)
    found = EnergyDetector()(samples, RATE)
    assert found and found[0][0] >= 0 and found[-1][1] <= 20
    assert all(a < b for a, b in found) and all(a[1] < b[0] for a, b in pairwise(found))
    assert join(found, gap=100.0) == [(found[0][0], found[-1][1])]


def test_segments_hold_all_speech_and_end_in_the_longest_silence() -> None:
    samples = noise(100.0, 0.1)
    speech = [(0.0, 8.0), (8.3, 12.0), (13.0, 18.0), (18.1, 27.0), (40.0, 41.0)]
    assert cut_at_silences(samples, RATE, speech, max_seconds=20) == [(0.0, 12.0), (13.0, 27.0), (40.0, 41.0)]
    assert cut_at_silences(samples, RATE, speech, max_seconds=50) == [(0.0, 41.0)]
    assert cut_at_silences(samples, RATE, []) == []


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    samples = noise(70.0, 0.1)
    for quiet in (24.0, 43.0):
        samples[round(quiet * RATE) : round((quiet + 0.2) * RATE)] *= 0.1
    segments = cut_at_silences(samples, RATE, [(0.0, 70.0)])
    assert segments[0][0] == 0 and segments[-1][1] == 70 and all(a[1] == b[0] for a, b in pairwise(segments))
    assert all(b - a <= 30 for a, b in segments)
    np.testing.assert_allclose([end for _, end in segments[:2]], [24.1, 43.1], atol=0.06)


def test_pauses_between_the_sentences_of_a_book(speech: Path) -> None:
    """Every one of a chapter's utterances is found, with 0.3 s of silence between them."""
    lines = map(json.loads, (speech / "clips" / "clips.jsonl").read_text().splitlines())
    clip = next(line for line in lines if "segments" in line)
    samples, rate = read(speech / "clips" / clip["audio_filepath"])
    found = EnergyDetector()(samples, rate)
    given = [(a["end"], b["start"]) for a, b in pairwise(clip["segments"])]
    silences = [(a[1], b[0]) for a, b in pairwise(found)]
    heard = [max(min(end, b) - max(start, a) for a, b in silences) for start, end in given]
    assert len(heard) == 17 and min(heard) > 0.08
    assert 0.7 < sum(b - a for a, b in found) / clip["duration"] < 0.95
    segments = cut_at_silences(samples, rate, found)
    assert all(b - a <= 30 for a, b in segments) and len(segments) <= 16


@pytest.mark.parametrize("rate", [11025, 22050])
def test_times_do_not_drift_where_10_ms_are_not_a_whole_number_of_samples(rate: int) -> None:
    rng = np.random.default_rng(0)
    samples = 1e-4 * rng.standard_normal(300 * rate)
    samples[290 * rate : 292 * rate] += 0.1 * rng.standard_normal(2 * rate)
    np.testing.assert_allclose(EnergyDetector()(samples.astype(np.float32), rate), [(290, 292)], atol=0.2)
