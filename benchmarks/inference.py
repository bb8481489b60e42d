"""Measures inference from waveforms to token ids: features, encoder, head and greedy search in one program."""

from functools import partial
from typing import Any

import jax

from benchmarks.models import ctc_config, noise_batch, num_parameters
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.kept_positions import KeptPositions


def infer(repeat: int, *, size: str, batch_size: int, seconds: float, dtype: str = "float32") -> dict[str, Any]:
    """Decode one batch with greedy CTC; the time includes the copy of the result to the host."""
    config = ctc_config(size)
    variables = jax.jit(build(config).init)(jax.random.key(0))
    parameters = num_parameters(variables)
    config, variables = for_inference(config, variables, dtype=dtype)
    task = build(config)
    variables = KeptPositions(task.model, seconds=seconds).beside(variables)  # as the recognizer does
    batch = noise_batch(batch_size, seconds)
    predict = jax.jit(task.predict)
    times = measure(lambda: jax.device_get(predict(variables, batch)), repeat or 7)
    audio = batch_size * seconds
    sizes = {"params": parameters, "batch": batch_size, "secs_audio": seconds, "dtype": dtype}
    return {**sizes, **times, "RTFx": audio / times["median_s"]}


CASES = {
    "infer_b1": partial(infer, size="115m", batch_size=1, seconds=20.0),
    "infer_b8": partial(infer, size="115m", batch_size=8, seconds=15.0),
    "infer_b1_bfloat16": partial(infer, size="115m", batch_size=1, seconds=20.0, dtype="bfloat16"),
    "infer_b8_bfloat16": partial(infer, size="115m", batch_size=8, seconds=15.0, dtype="bfloat16"),
}
GPU_CASES = {
    "infer_115m_gpu": partial(infer, size="115m", batch_size=128, seconds=20.0, dtype="bfloat16"),
    "infer_600m_gpu": partial(infer, size="600m", batch_size=128, seconds=20.0, dtype="bfloat16"),
}
