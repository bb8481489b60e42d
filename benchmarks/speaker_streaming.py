"""Measures a step of streaming Sortformer, at the latencies that are published; real time is a share below 1."""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.speaker_streaming import speaker_streaming
from jaxspeech.inference.speaker_stream import compile_speakers

# The sizes of diar_streaming_sortformer_4spk-v2: 117 million parameters.
SORTFORMER = {
    "task": "sortformer",
    "features": {"name": "mel", "num_mels": 128, "normalize": "none"},
    "encoder": {"name": "fastconformer", "num_layers": 17, "width": 512, "num_heads": 8, "xscaling": True},
    "decoder": {"name": "sortformer"},
    "scale_audio": False,
    "streaming": {"left": 1},
}


def sortformer_stream(repeat: int, *, latency: float, size: int = 1, dtype: str | None = None) -> dict[str, Any]:
    """Runs one step of streams whose cache and queue are full, and copies the activity to the host."""
    config, variables = for_inference(SORTFORMER, jax.jit(build(SORTFORMER).init)(jax.random.key(0)), dtype=dtype)
    form = speaker_streaming(build(config), latency=latency)
    programs = compile_speakers(form, variables, size=size)
    variables = programs.prepare(variables)
    settings, state = form.settings, programs.start()
    samples = 0.1 * np.random.default_rng(0).standard_normal((size, form.window)).astype(np.float32)
    counts = np.full(size, form.window, np.int32)

    def step() -> Any:
        nonlocal state
        found, state = programs.step(variables, state, samples, counts)
        return jax.device_get(found)

    for _ in range(-(-(settings.cache + settings.queue) // settings.chunk) + 1):
        step()
    times = measure(step, repeat or 20)
    seconds = settings.chunk * form.frame_seconds
    return {
        "streams": size,
        "latency_s": form.latency_seconds,
        "chunk_s": seconds,
        "frames_of_a_step": settings.cache + settings.queue + settings.seen,
        **times,
        "cost_per_stream": times["median_s"] / size / seconds,
    }


CASES = {
    "sortformer_stream": partial(sortformer_stream, latency=1.04),
    "sortformer_stream_bfloat16": partial(sortformer_stream, latency=1.04, dtype="bfloat16"),
    **{
        f"sortformer_stream_{latency:g}s": partial(sortformer_stream, latency=latency) for latency in (0.32, 10.0, 30.4)
    },
}
