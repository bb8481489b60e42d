"""What counts as an input, in which order, and which problems are reported."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from jaxspeech.errors import AudioError, ManifestError
from jaxspeech.inference.inputs import Recording, find_recordings
from jaxspeech.inference.read_ahead import read_recording

RATE = 16000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    for name in ("b.wav", "deep/a.FLAC", "c.ogg"):
        soundfile.write(tmp_path / name, np.full(RATE, 0.25), RATE, format=Path(name).suffix[1:].upper())
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


def test_mixtures_keep_their_order(folder: Path) -> None:
    manifest = folder / "m.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": "b.wav", "offset": 0.5, "duration": 0.25, "text": "x", "k": 1}))
    array = np.zeros(10, np.float32)
    found = list(find_recordings([str(folder / "c.ogg"), [array, folder], manifest, (array,)]))
    names = ["c.ogg", "array 0", "b.wav", "c.ogg", "deep/a.FLAC", "b.wav", "array 1"]
    assert [
        r.source if r.source.startswith("array") else str(Path(r.source).relative_to(folder)) for r in found
    ] == names
    assert found[5][2:] == (0.5, 0.25, "x", json.loads(manifest.read_text()), "")


def test_a_generator_is_not_read_ahead_of() -> None:
    def endless():
        yield np.zeros(10, np.float32)
        raise AssertionError("read too far")

    assert next(find_recordings(endless())).source == "array 0"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ('{"text": "x"}', "audio_filepath"),
        ('{"audio_filepath": 3}', "audio_filepath"),
        ('{"audio_filepath": "b.wav", "offset": -1}', "offset is -1"),
        ('{"audio_filepath": "b.wav", "offset": "1"}', "offset is '1'"),
        ('{"audio_filepath": "b.wav", "duration": NaN}', "duration is nan"),
        ('{"audio_filepath": "b.wav", "duration": 0}', "duration is 0"),
        ('{"audio_filepath": "b.wav", "text": 3}', "text is 3"),
    ],
)
def test_a_bad_line_is_one_problem_among_good_ones(folder: Path, line: str, why: str) -> None:
    manifest = folder / "m.json"
    good = json.dumps({"audio_filepath": "b.wav"})
    manifest.write_text(f"{good}\n\n{line}\n{good}\n")
    first, bad, last = find_recordings(manifest)
    assert first.problem == last.problem == ""
    assert bad.problem.startswith(f"{manifest}:3: ") and why in bad.problem and "\n" not in bad.problem
    assert isinstance(read_recording(bad, sample_rate=RATE, array_rate=None, channel="mean"), ManifestError)


def test_what_cannot_be_found_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").touch()
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    inputs = [tmp_path / name for name in ("missing.jsonl", "none.jsonl", "binary.jsonl", "empty")]
    for recording, path in zip(find_recordings(inputs), inputs, strict=True):
        assert recording.problem.startswith(f"{path}: ") and "\n" not in recording.problem


def test_other_things_are_a_problem_each() -> None:
    found = list(find_recordings(["a.wav", 3, None, b"a.wav", "b.wav", {"audio_filepath": "x"}]))
    assert [not recording.problem for recording in found] == [True, False, False, False, True, False]
    assert "int: give paths" in found[1].problem


def test_a_manifest_line_reads_its_part(folder: Path) -> None:
    ramp = np.arange(RATE) / RATE
    soundfile.write(folder / "b.wav", ramp, RATE, subtype="FLOAT")
    recording = Recording("b", folder / "b.wav", offset=0.5, duration=0.25)
    samples = read_recording(recording, sample_rate=RATE, array_rate=None, channel="mean")
    np.testing.assert_allclose(samples, ramp[RATE // 2 : RATE * 3 // 4], atol=1e-6)


def test_arrays_of_any_kind() -> None:
    def read(array: np.ndarray, rate: int | None = None, channel: int | str = "mean"):
        return read_recording(Recording("array 0", array), sample_rate=RATE, array_rate=rate, channel=channel)

    integers = np.array([16384, -32768] * 50, np.int16)
    np.testing.assert_array_equal(read(integers), np.array([0.5, -1.0] * 50, np.float32))
    np.testing.assert_array_equal(read(np.stack([integers, 0 * integers], 1), channel=1), np.zeros(100))
    assert len(read(np.zeros(8000, np.float32), rate=8000)) == RATE
    assert isinstance(read(np.full(10, np.nan)), AudioError)


def test_an_empty_name_is_not_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    [recording] = find_recordings("")
    assert recording.problem == "the name of a recording is empty"
    assert len(list(find_recordings("."))) == 3


def test_a_byte_order_mark_costs_no_line(folder: Path) -> None:
    (folder / "m.jsonl").write_text('{"audio_filepath": "b.wav"}\n', encoding="utf-8-sig")
    [recording] = find_recordings(folder / "m.jsonl")
    assert not recording.problem and recording.source == str(folder / "b.wav")


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS has no names that are not UTF-8")
def test_a_name_need_not_be_text(folder: Path) -> None:
    odd = os.fsencode(folder) + b"/caf\xe9.wav"
    shutil.copy(folder / "b.wav", odd)
    [recording] = find_recordings(os.fsdecode(odd))
    assert len(read_recording(recording, sample_rate=RATE)) == RATE


def test_a_name_longer_than_any_file_has(folder: Path) -> None:
    [recording] = find_recordings(str(folder / ("x" * 300)))
    assert "no such file" in str(read_recording(recording, sample_rate=RATE))
