"""Diarizes conversations whose speakers are known, by models that are: windows, voices, numbers and odd recordings."""

import itertools

import numpy as np
import pytest

from jaxspeech.diarization.turns import Turn, speakers_of
from jaxspeech.errors import AudioError, ConfigError, ManifestError
from jaxspeech.evaluation.diarization import diarization_errors
from tests.pipelines.known_voices import FRAME, RATE, KnownEmbedder, conversation, known_diarizer

# Five speakers in 150 s, at most three in 30 s, with overlaps; in whole frames.
SPEECH = [(0.8, 8, 0), (7.2, 16, 1), (17.6, 28, 0), (24, 36, 2), (40, 52, 1), (48, 64, 3), (68, 80, 2), (80, 92, 4)]
SPEECH += [(88, 100, 3), (104, 112, 0), (112, 124, 4), (120, 136, 1), (140, 148.8, 0)]
TRUTH = [Turn(start, end, f"person {speaker}") for start, end, speaker in SPEECH]
SAMPLES = conversation(SPEECH, 150)


@pytest.fixture
def diarizer(monkeypatch):
    return known_diarizer(monkeypatch, embedder=KnownEmbedder())


def errors(found, truth=None):
    return diarization_errors(TRUTH if truth is None else truth, found.turns).der


def test_voices_join_windows(diarizer):
    [found] = diarizer.diarize(SAMPLES)
    assert errors(found) < 0.01 and len(speakers_of(found.turns)) == 5
    assert found.duration == 150 and found.error is None and found.frame_seconds == FRAME
    assert found.activity.shape == (1875, 5) and list(found.speakers) == [f"speaker_{i}" for i in range(5)]
    assert [turn.speaker for turn in found.turns[:2]] == ["speaker_0", "speaker_1"]  # as they begin
    assert len(found.confidences) == len(found.turns) and min(found.confidences) > 0.8
    assert all(length <= 30.1 * RATE for length in diarizer._programs.windows)


def test_windows_join_without_voices(monkeypatch):
    local = [(start, end, {3: 0, 4: 2}.get(speaker, speaker)) for start, end, speaker in SPEECH]
    truth = [Turn(start, end, str(speaker)) for start, end, speaker in local]
    diarizer = known_diarizer(monkeypatch, windows=(40.0, 20.0))
    [found] = diarizer.diarize(conversation(local, 150))
    assert errors(found, truth) < 0.01 and len(diarizer._programs.windows) > 5
    whole = known_diarizer(monkeypatch).diarize(conversation(local, 150)[: 80 * RATE])[0]
    assert errors(whole, [turn for turn in truth if turn.end <= 80]) < 0.01


@pytest.mark.parametrize("wanted", [1, 2, 4, 5, 6, 8])
def test_numbers_are_obeyed(diarizer, wanted):
    [found] = diarizer.diarize(SAMPLES, num_speakers=wanted)
    assert len(speakers_of(found.turns)) == wanted
    [found] = diarizer.diarize(SAMPLES, max_speakers=wanted)
    assert len(speakers_of(found.turns)) == min(wanted, 5)
    [found] = diarizer.diarize(SAMPLES, min_speakers=wanted)
    assert len(speakers_of(found.turns)) == max(wanted, 5)


def test_numbers_are_obeyed_without_voices(monkeypatch):
    diarizer = known_diarizer(monkeypatch)
    samples = conversation([(1, 4, 0), (3, 6, 1)], 8)
    for wanted in (1, 2, 3):
        for exclusive in (False, True):
            [found] = diarizer.diarize(samples, num_speakers=wanted, exclusive=exclusive)
            assert len(speakers_of(found.turns)) == wanted
    with pytest.raises(ConfigError, match="num_speakers is 4, but the model knows 3 speakers: give it an embedder"):
        diarizer.diarize(samples, num_speakers=4)


def test_more_speakers_in_a_window_than_the_model_has(diarizer):
    """Nine speakers, each for 8 s: in a window of 30 s there are four or five."""
    speech = [(8.0 * i, 8.0 * i + 7.2, i % 9) for i in range(27)]
    truth = [Turn(start, end, str(speaker)) for start, end, speaker in speech]
    [found] = diarizer.diarize(conversation(speech, 220))
    assert 5 <= len(speakers_of(found.turns)) <= 9 and errors(found, truth) < 0.5
    [found] = diarizer.diarize(conversation(speech, 220), num_speakers=9)
    assert len(speakers_of(found.turns)) == 9


def test_exclusive_turns(diarizer):
    [found] = diarizer.diarize(SAMPLES, exclusive=True)
    turns = sorted(found.turns)
    assert all(one.end <= other.start + 1e-9 for one, other in itertools.pairwise(turns))
    [both] = diarizer.diarize(SAMPLES)
    assert any(one.end > other.start for one, other in zip(both.turns, both.turns[1:], strict=False))


@pytest.mark.parametrize("voices", [True, False])
def test_odd_recordings(monkeypatch, voices):
    diarizer = known_diarizer(monkeypatch, **({"embedder": KnownEmbedder()} if voices else {}))
    [silent] = diarizer.diarize(np.zeros(3600 * RATE, np.float32), min_speakers=2)
    assert silent.turns == [] and silent.duration == 3600 and len(silent.activity) == 45000
    [alone] = diarizer.diarize(conversation([(5, 290, 4)], 300))
    assert speakers_of(alone.turns) == ["speaker_0"] and errors(alone, [Turn(5, 290, "x")]) < 0.01
    [short] = diarizer.diarize(conversation([(0, 0.05, 0)], 0.05))
    assert short.duration == 0.05 and all(turn.end <= 0.05 for turn in short.turns)
    mono = conversation([(1, 2, 0)], 3)
    [stereo] = diarizer.diarize(np.stack([mono, mono], 1))
    assert stereo.turns == diarizer.diarize(mono)[0].turns != []
    [empty] = diarizer.diarize(np.zeros(0, np.float32), on_error="skip")
    assert empty.turns == []


def test_known_speech(diarizer):
    speech = [Turn(0, 20, "someone"), Turn(100, 150, "someone")]
    [found] = diarizer.diarize(SAMPLES, speech=speech)
    assert found.turns and all(end <= 20 or start >= 100 for start, end, _ in found.turns)
    [same] = diarizer.diarize(SAMPLES, speech={"array 0": speech})
    assert same.turns == found.turns
    with pytest.raises(ManifestError, match="array 0: its speech is not known; known are 'meeting'"):
        diarizer.diarize(SAMPLES, speech={"meeting": speech})
    for wrong in (5, [1.0, 2.0], {"array 0": [("a", "b")]}):
        with pytest.raises(ConfigError, match=r"speech is the .start, end. of stretches"):
            diarizer.diarize(SAMPLES, speech=wrong)


def test_mistakes_are_one_line(monkeypatch, diarizer):
    for options, message in [
        ({"num_speakers": 0}, "num_speakers is 0; it must be a whole number of 1 or more"),
        ({"num_speakers": 2, "max_speakers": 3}, "num_speakers is 2: leave out max_speakers"),
        ({"min_speakers": 4, "max_speakers": 3}, "min_speakers is 4, which is more than max_speakers, 3"),
        ({"postprocessing": "best"}, "postprocessing 'best'"),
    ]:
        with pytest.raises(ConfigError, match=message):
            diarizer.diarize(SAMPLES, **options)
    with pytest.raises(TypeError, match="num_speaker"):
        diarizer.diarize(SAMPLES, num_speaker=3)
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        diarizer.diarize("none.wav")
    with pytest.raises(ConfigError, match=r"windows is .5.0, 10.0.; it is .length, shift. in seconds"):
        known_diarizer(monkeypatch, windows=(5.0, 10.0))


def test_results_come_in_order(diarizer):
    results = diarizer.diarize([SAMPLES, "none.wav", SAMPLES[: 40 * RATE]], on_error="skip")
    assert [found.error is None for found in results] == [True, False, True]
    assert results[2].duration == 40 and "no such file" in results[1].error
