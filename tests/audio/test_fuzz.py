"""Damaged files of 16 kinds: samples or one line, never another exception, never less than there is.

500 files in the suite; `python -m pytest -m slow -n 0 tests/audio/test_fuzz.py` tries 30,000, and compares one in a
hundred with ffmpeg, where it is installed.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from jaxspeech.audio import decoder
from jaxspeech.audio.read import read, read_seconds
from jaxspeech.errors import AudioError
from tests.audio.damaged import KINDS, RATE, Damaged, damage, encode, tone

SECONDS = 0.6
# What codecs add or take away at the ends of what is damaged: a few frames of MP3 at 8 kHz.
SLACK_SECONDS = 0.3


def try_one(path: Path, kind: str, damaged: Damaged, *, ffmpeg: bool) -> None:
    path.write_bytes(damaged.data)
    try:
        samples, rate = read(path)
    except AudioError as error:
        assert "\n" not in str(error) and str(path) in str(error)
        assert not damaged.seconds, f"{kind}, {damaged.how}: {error}"
        return
    seconds = len(samples) / rate
    assert np.isfinite(samples).all() and seconds >= damaged.seconds - 0.01
    assert abs(read_seconds(path) - seconds) < SLACK_SECONDS
    if ffmpeg:
        command = [
            "ffmpeg",
            "-v",
            "error",
            "-i",
            path,
            "-map",
            "0:a:0",
            "-f",
            "f32le",
            "-ac",
            "1",
            "-ar",
            str(rate),
            "-",
        ]
        there = len(subprocess.run([*command, "-ar", str(rate), "-"], capture_output=True).stdout) / 4 / rate
        assert seconds >= min(there, 2 * SECONDS) - SLACK_SECONDS, f"{kind}, {damaged.how}"


def try_many(path: Path, count: int, *, seed: int, compared: int = 0) -> None:
    rng = np.random.default_rng(seed)
    whole = {kind: encode(kind, tone(SECONDS)) for kind in KINDS}
    lengths = {kind: len(read_whole(path, data)) / RATE for kind, data in whole.items()}
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        damaged = damage(kind, whole[kind], lengths[kind], rng)
        try_one(path, kind, damaged, ffmpeg=bool(compared) and number % compared == 0)


def read_whole(path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    samples, _ = read(path)
    assert len(samples) >= 0.9 * SECONDS * RATE
    return samples


def test_500_damaged_files(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder.ffmpeg, "find_ffmpeg", lambda: None)
    try_many(tmp_path / "a.bin", 500, seed=0)


@pytest.mark.slow
def test_30_000_damaged_files(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder.ffmpeg, "find_ffmpeg", lambda: None)
    try_many(tmp_path / "a.bin", 30_000, seed=1, compared=101 if shutil.which("ffmpeg") else 0)
