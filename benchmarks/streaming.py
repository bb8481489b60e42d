"""Measures the time of a step of live transcription, for one stream and for many in one call."""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.models import SAMPLE_RATE, ctc_config
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.streaming import streaming
from jaxspeech.inference.streaming import compile_streams

LEFT = 70
LIVE = {"causal_subsampling": True, "attention_style": "chunked_limited", "conv_context": (8, 0), "conv_norm": "layer"}


def stream(repeat: int, *, size: int, look_ahead: int, model: str = "115m", dtype: str = "float32") -> dict[str, Any]:
    """Run one step of `size` streams that all have a chunk; the time includes the copy of new tokens to the host.

    Also reports the computing time per stream and second of audio (`cost_per_stream`), and the longest delay from a
    sample to its text, which is the chunk plus the step (`latency_s`).
    """
    config = ctc_config(model, attention_context=(LEFT, look_ahead), **LIVE)
    config["features"]["normalize"] = "none"
    config, variables = for_inference(config, jax.jit(build(config).init)(jax.random.key(0)), dtype=dtype)
    form = streaming(build(config))
    programs = compile_streams(form, variables, size=size)
    variables = programs.prepare(variables)
    state = programs.start(variables)
    state_mib = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / size / 2**20
    samples = 0.1 * np.random.default_rng(0).standard_normal((size, form.step_samples)).astype(np.float32)
    counts, ends = np.full(size, form.step_samples, np.int32), np.zeros(size, bool)

    def step() -> Any:
        nonlocal state
        found, state = programs.step(variables, state, samples, counts, ends)
        return jax.device_get(found)

    times = measure(step, repeat or 30)
    seconds = form.step_samples / SAMPLE_RATE
    return {
        "streams": size,
        "look_ahead": look_ahead,
        "chunk_s": seconds,
        **times,
        "cost_per_stream": times["median_s"] / size / seconds,
        "latency_s": seconds + times["median_s"],
        "state_mib_per_stream": state_mib,
    }


CASES = {
    f"stream_{size}_ahead_{ahead}": partial(stream, size=size, look_ahead=ahead)
    for size in (1, 32)
    for ahead in (0, 1, 6, 13)
}
GPU_CASES = {
    f"stream_{size}_ahead_{ahead}_gpu": partial(stream, size=size, look_ahead=ahead, dtype="bfloat16")
    for size in (1, 256)
    for ahead in (0, 13)
}
