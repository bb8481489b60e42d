"""Scores of synthesised speech: nothing between a recording and itself, and what is heard wrong of it."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.evaluation.synthesis import check_measures, synthesis_scores

RATE, HOP = 8000, 80


def tone(hz, seconds):
    times = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hz * times) * np.sin(np.pi * times / seconds)).astype(np.float32)


def padded(rows, fill=np.nan):
    size = max(len(row) for row in rows)
    return np.stack(
        [np.pad(row, [(0, size - len(row)), *[(0, 0)] * (row.ndim - 1)], constant_values=fill) for row in rows]
    )


def batch_of(said, recorded):
    """Mels of random frames, in the second row twice as slow as the recording's; a filler row."""
    rng = np.random.default_rng(0)
    wanted = [rng.normal(size=(len(x) // HOP, 20)) for x in recorded]
    made = [wanted[0], wanted[1].repeat(2, 0), wanted[2]]
    spoken = SimpleNamespace(
        mel=padded(made),
        num_frames=np.array([len(x) for x in made]),
        target=padded(wanted),
        num_target=np.array([len(x) for x in wanted]),
    )
    batch = SimpleNamespace(
        index=np.array([4, 7, -1]), samples=padded(recorded), num_samples=np.array([len(x) for x in recorded])
    )
    return SimpleNamespace(spoken=spoken, samples=padded(said)), batch


def test_scores_of_a_voice():
    low, high = tone(150, 0.5), tone(150, 1.0)
    said, batch = batch_of([low, tone(300, 2.0), low], [low, high, low])
    fields = {4: {"text": "Hello, you!"}, 7: {"text": "one two"}}

    def listen(sounds, rate):
        assert rate == RATE and [len(x) for x in sounds] == [len(low), 2 * len(high)]
        return ["hello you", "one too"]

    evaluation = synthesis_scores(sample_rate=RATE, hop=HOP, listen=listen)
    found = evaluation.collect(said, batch)
    rows = {4: found[0], 7: found[1]}
    scores = evaluation.score(rows, fields)
    assert [*scores] == ["mel_distance", "pitch", "duration", "wer"]
    assert scores["mel_distance"] == pytest.approx(0, abs=1e-5)
    assert found[0].values["pitch"] == pytest.approx(0, abs=1) and found[1].values["pitch"] == pytest.approx(
        1200, abs=5
    )
    assert scores["duration"] == pytest.approx((50 + 200) / 150 - 1)
    assert scores["wer"] == 1 / 4
    assert "WER 25.00%" in evaluation.show(scores) and "66.7% longer" in evaluation.show(scores)
    assert "heard: one too" in evaluation.sample(found[1], fields[7])


def test_frames_alone_are_scored_without_samples():
    said, batch = batch_of([tone(150, 0.5)] * 3, [tone(150, 0.5)] * 3)
    evaluation = synthesis_scores(sample_rate=RATE, hop=HOP)
    found = evaluation.collect(said.spoken, batch)
    assert [*evaluation.score({4: found[0]}, {4: {}})] == ["mel_distance", "duration"]
    assert evaluation.score({}, {}) == {}


def test_unknown_scores_are_refused():
    with pytest.raises(ConfigError, match="is not a score; did you mean"):
        check_measures(["mel_distanc"])
