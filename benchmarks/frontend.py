"""Measures log-mel features of 1 x 20 s and 16 x 15 s."""

from functools import partial
from typing import Any

import jax

from benchmarks.models import SAMPLE_RATE, noise_batch
from benchmarks.timing import measure, peak_memory
from jaxspeech.features.mel import MelSpectrogram


def mel(repeat: int, *, sizes: tuple[tuple[int, float], ...] = ((1, 20.0), (16, 15.0))) -> dict[str, Any]:
    """Compute 80 mels with per-feature normalisation and without dither."""
    module = MelSpectrogram(sample_rate=SAMPLE_RATE, dither=0.0)
    apply = jax.jit(partial(module.apply, {}))
    result: dict[str, Any] = {}
    for batch_size, seconds in sizes:
        batch = noise_batch(batch_size, seconds)
        times = measure(lambda batch=batch: apply(batch.samples, batch.num_samples), repeat or 31)
        audio = batch_size * seconds
        times |= {"audio_hours_per_s": audio / times["median_s"] / 3600, "RTFx": audio / times["median_s"]}
        result[f"b{batch_size}x{seconds:.0f}s"] = {k: v for k, v in times.items() if not k.startswith("peak")}
    return result | peak_memory()


CASES = {"mel": mel}
GPU_CASES = {"mel_gpu": partial(mel, sizes=((1, 20.0), (128, 20.0)))}
