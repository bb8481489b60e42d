"""Tests the verb detect: segments as text, JSON and RTTM, and its summary."""

import json

import numpy as np
import pytest
import soundfile

from jaxspeech.archive import save_archive
from jaxspeech.cli.main import main
from tests.pipelines.frame_model import frame_archive


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detect")
    save_archive(folder / "m.jaxspeech", **frame_archive()._asdict())
    noise = np.random.default_rng(0).normal(size=16000) * 0.1
    soundfile.write(folder / "a b.wav", noise, 16000)
    return folder


def test_segments_in_three_formats(folder, capsys):
    command = ["detect", f"--model={folder}/m.jaxspeech", f"{folder}/a b.wav", "--onset=0.4", "--offset=0.4"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    spans = [tuple(map(float, line.split("\t")[:2])) for line in out.splitlines()]
    assert all(0 <= start < end <= 1 for start, end in spans) and all(
        line.endswith("\tspeech") for line in out.splitlines()
    )
    total = sum(end - start for start, end in spans)
    assert f"; {total:.1f} s of speech, {total:.0%}" in err
    assert main([*command, f"--output={folder}/x.rttm"]) == 0
    lines = [line.split() for line in (folder / "x.rttm").read_text().splitlines()]
    assert [line[:3] + line[5:] for line in lines] == [
        ["SPEAKER", "a_b", "1", "<NA>", "<NA>", "speech", "<NA>", "<NA>"] for _ in spans
    ]
    np.testing.assert_allclose([(float(x[3]), float(x[3]) + float(x[4])) for x in lines], spans, atol=2e-3)
    assert main([*command, "--format=jsonl", "--label=background"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["duration"] == 1 and all(segment["label"] == "background" for segment in found["pred_segments"])


def test_a_detector_that_would_not_be_used_is_an_error(folder, capsys):
    model = f"{folder}/m.jaxspeech"
    assert main(["transcribe", f"--model={model}", f"--voice_activity={model}", f"{folder}/a b.wav"]) == 2
    assert "add --long=segments" in capsys.readouterr().err
