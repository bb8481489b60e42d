"""Prepares recordings for engines: all of them hear the same WAV files, of 16 kHz and one channel.

A file has 16 bits if these hold its samples, and 32 bits if not: where a recording was resampled or mixed.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from jaxspeech.errors import SpeechError
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.read_ahead import read_recording

SAMPLE_RATE = 16000


class Prepared(NamedTuple):
    """A recording in a WAV file, and its length in seconds."""

    recording: Recording
    path: str
    seconds: float


def prepare(recordings: Iterable[Recording], folder: Path) -> tuple[list[Prepared], list[str]]:
    """Writes the WAV files, longest first, as batches of similar lengths are fastest in every engine.

    Returns:
      The files; and a line for each recording that cannot be read.
    """
    found, problems = [], []
    for number, recording in enumerate(recordings):
        samples = read_recording(recording, sample_rate=SAMPLE_RATE)
        if isinstance(samples, SpeechError):
            problems.append(str(samples))
            continue
        path = folder / f"{number:06d}.wav"
        scaled = samples * np.float32(32768)
        exact = np.array_equal(scaled, np.round(scaled)) and np.abs(scaled).max(initial=0.0) < 32767
        # Where 16 bits would round, their noise fills bands that are empty: after upsampling it changes transcripts.
        soundfile.write(path, np.clip(samples, -1, 1), SAMPLE_RATE, subtype="PCM_16" if exact else "PCM_32")
        found.append(Prepared(recording, str(path), len(samples) / SAMPLE_RATE))
    return sorted(found, key=lambda x: -x.seconds), problems


def to_warm_up(prepared: Sequence[Prepared], count: int) -> list[str]:
    """The files of `count` recordings of all lengths, the longest one first."""
    chosen = np.unique(np.linspace(0, len(prepared) - 1, min(count, len(prepared))).round().astype(int))
    return [prepared[i].path for i in chosen.tolist()]
