"""Diarizes with a random Sortformer: recordings as they arrive, and windows of the real model."""

import io
from types import SimpleNamespace

import numpy as np
import pytest

from jaxspeech.archive import Archive, save_archive
from jaxspeech.cli.main import main
from jaxspeech.diarization.activity_turns import turns_of_activity
from jaxspeech.errors import ConfigError
from jaxspeech.pipelines.diarizer import Diarizer
from tests.inference.test_speaker_stream import MODEL, RATE, model, speech

POSTPROCESSING = {"onset": 0.5, "offset": 0.45, "min_silence": 0.3}


@pytest.fixture(scope="module")
def archive():
    return Archive(MODEL, {}, model()[1], {})


def pcm(samples):
    return (np.clip(samples, -1, 1) * 32767).astype("<i2")


def test_live_turns_are_those_of_the_activity(archive, tmp_path, monkeypatch, capsys):
    heard = pcm(speech(9, 4.0))
    stream = Diarizer(archive).streams(1, postprocessing=POSTPROCESSING).open("call")
    over = [turn for at in range(0, len(heard), 5000) for turn in stream.feed(heard[at : at + 5000]).turns]
    over += stream.finish().turns
    options = Diarizer(archive, postprocessing=POSTPROCESSING).postprocessing
    found = turns_of_activity(stream.activity, frame_seconds=0.08, options=options, duration=len(heard) / RATE)
    assert over and sorted(over) == sorted(found.turns)

    save_archive(tmp_path / "m.jaxspeech", **archive._asdict())
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(heard.tobytes())))
    command = ["diarize", f"--model={tmp_path}/m.jaxspeech", "--realtime", "-"]
    assert main([*command, "--onset=0.5", "--offset=0.45", "--min_silence=0.3"]) == 0
    printed = [tuple(line.split("\t")) for line in capsys.readouterr().out.splitlines()]
    assert sorted(printed) == sorted((f"{a:.3f}", f"{b:.3f}", name) for a, b, name in over)
    assert main([*command, "--latency=2"]) == 2
    assert "latency is 2" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="scale 'relative' needs the whole recording"):
        Diarizer(archive).streams(postprocessing={"scale": "relative"})


def test_windows_of_the_model_cover_the_recording(archive):
    diarizer = Diarizer(archive, windows=(2.0, 1.0))
    samples = speech(9, 4.5)
    [found] = diarizer.diarize(samples)
    [whole] = Diarizer(archive).diarize(samples)
    assert len(found.activity) == len(samples) // 1280 + 1 and found.activity.shape[1] == 4
    assert abs(len(whole.activity) - len(found.activity)) <= 1 and found.activity.max() <= 1
    [short] = diarizer.diarize(samples[:800])
    assert short.error is None and all(turn.end <= 0.05 for turn in short.turns)
