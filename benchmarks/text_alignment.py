"""Measures the monotonic path of an aligner, and the extraction of pitch, on the sizes of an ordinary long sentence."""

from typing import Any

import jax
import numpy as np

from benchmarks.timing import measure
from jaxspeech.audio.pitch import extract_pitch
from jaxspeech.search.monotonic import monotonic_path

RATE, HOP = 22050, 256


def mas(repeat: int, *, b: int = 16, t: int = 861, n: int = 150) -> dict[str, Any]:
    """Find the paths of a batch: 10 s of speech each."""
    scores = np.random.default_rng(0).standard_normal((b, t, n)).astype(np.float32)
    scores = jax.device_put(jax.nn.log_softmax(scores))
    num_frames, num_symbols = np.full(b, t, np.int32), np.full(b, n, np.int32)
    times = measure(lambda: monotonic_path(scores, num_frames, num_symbols), repeat or 15)
    return {"batch": b, "frames": t, "tokens": n, **times}


def pitch(repeat: int, *, seconds: float = 10.0) -> dict[str, Any]:
    """Extract the pitch of 10 s of a voice that glides, with Praat, on the host."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(180 + 40 * np.sin(3 * time)) / RATE
    samples = 0.3 * np.sin(phase) + 0.01 * np.random.default_rng(0).standard_normal(len(time))
    times = measure(lambda: extract_pitch(samples.astype(np.float32), RATE, hop=HOP), repeat or 9)
    return {"secs_audio": seconds, "RTFx": seconds / times["median_s"], **times}


CASES = {"mas": mas, "pitch": pitch}
GPU_CASES = {"mas_gpu": mas}
