"""Live transcripts with speakers: a tiny streaming recogniser beside a stand-in for a diarizer.

Its speakers take turns of 2.72 s, and it needs 0.4 s more audio than it says something about.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from jaxspeech.cli.main import main
from jaxspeech.diarization.attribution import Activity
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import ConfigError
from jaxspeech.inference.attributed import with_speakers
from tests.inference.fed import fed
from tests.inference.test_streaming import recognizer, speech

RATE, FRAME, LATE = 16000, 1280, 5
TURN = 34  # frames


def activity(frames):
    """[T 2]: who speaks in each frame."""
    return np.eye(2, dtype=np.float32)[np.arange(frames) // TURN % 2] * 0.9


def turns_of(frames):
    borders = range(0, frames, TURN)
    return [Turn(i * 0.08, min(i + TURN, frames) * 0.08, f"speaker_{i // TURN % 2}") for i in borders]


class StandInStream:
    """A live stream of the diarizer."""

    def __init__(self):
        self.heard = self.found = self.returned = 0
        self.ended = False

    @property
    def frames(self):
        """How many frames are known by now."""
        return self.heard // FRAME if self.ended else max(self.heard // FRAME - LATE, 0)

    @property
    def ready(self):
        return self.found < self.frames

    @property
    def done(self):
        return self.ended and not self.ready

    @property
    def turns(self):
        return turns_of(self.found)

    def news(self):
        new, self.returned = activity(self.found)[self.returned :], self.found
        return SimpleNamespace(probabilities=new)

    def push(self, samples):
        self.heard += len(samples)

    def end(self):
        self.ended = True


class StandIn:
    """A diarizer that can run live."""

    form = SimpleNamespace(speakers=2, frame_seconds=FRAME / RATE)

    def __init__(self):
        self.opened = []

    def streams(self, size):
        return self

    def open(self, name, *, sample_rate):
        assert sample_rate == RATE
        self.opened.append(StandInStream())
        return self.opened[-1]

    def step(self):
        ready = [stream for stream in self.opened if stream.ready]
        for stream in ready:
            stream.found = min(stream.found + 3, stream.frames)
        return ready

    def drop(self, stream):
        self.opened.remove(stream)


def whole(samples):
    """What transcribing the whole recording gives."""
    frames = len(samples) // FRAME
    said = recognizer("ctc").transcribe(samples, timestamps=True)[0]
    return with_speakers(said, turns_of(frames), Activity(activity(frames), ("speaker_0", "speaker_1"), 0.08))


def test_a_stream_ends_with_the_speakers_of_the_whole_recording():
    samples = speech(0, 4.0)
    stream, before = recognizer("ctc").stream(speakers=StandIn(), look_ahead=2), []
    for at in range(0, len(samples), 4000):
        for hypothesis in stream.feed(samples[at : at + 4000]):
            names = [word.speaker for word in hypothesis.words]
            known = names.index(None) if None in names else len(names)
            assert names[: len(before)] == before
            before = names[:known]
    found, expected = stream.finish(), whole(samples)
    assert before and found.text == expected.text
    assert [word.speaker for word in found.words] == [word.speaker for word in expected.words]
    assert {word.speaker for word in found.words} == {"speaker_0", "speaker_1"} and stream.done
    assert found.turns == expected.turns and [s.text for s in found.segments] == [s.text for s in expected.segments]


def test_several_streams_do_not_meet():
    audio = [speech(seed, seconds) for seed, seconds in ((1, 3.0), (2, 0.05), (3, 2.0))]
    streams = recognizer("ctc").spoken_streams(2, StandIn(), look_ahead=2)
    found = fed(streams, audio, np.random.default_rng(0))
    for hypothesis, samples in zip(found, audio, strict=True):
        expected = whole(samples)
        assert hypothesis.text == expected.text
        assert [word.speaker for word in hypothesis.words] == [word.speaker for word in expected.words or ()]


def test_what_cannot_run_live():
    with pytest.raises(ConfigError, match="speakers: a function needs whole recordings; live audio needs a model of"):
        recognizer("ctc").stream(speakers=turns_of)
    with pytest.raises(ConfigError, match="gate: says how voice_activity is used"):
        recognizer("ctc").stream(speakers=StandIn(), gate={"onset": 0.5})


def test_the_command_shows_lines_of_speakers(tmp_path, monkeypatch, capsys):
    soundfile.write(tmp_path / "a.wav", speech(0, 4.0), RATE)
    monkeypatch.setattr("jaxspeech.cli.transcribe.open_recognizer", lambda *given: recognizer("ctc"))
    monkeypatch.setattr("jaxspeech.cli.transcribe.open_speakers", lambda *flags: {"speakers": StandIn()})
    command = ["transcribe", "--model=live.jaxspeech", "--speakers=diar.jaxspeech", "--stream", "--look_ahead=2"]
    assert main([*command, str(tmp_path / "a.wav")]) == 0
    samples, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    lines = capsys.readouterr().out.splitlines()
    expected = whole(samples)
    assert [line.partition(": ")[0] for line in lines] == [
        name
        for i, name in enumerate(w.speaker for w in expected.words)
        if not i or name != expected.words[i - 1].speaker
    ]
    for option in ("--num_speakers=2", "--enrolled=x.npz"):
        assert main([*command, option, str(tmp_path / "a.wav")]) == 2
        assert f"{option.partition('=')[0]} is for whole recordings: leave out --stream" in capsys.readouterr().err
