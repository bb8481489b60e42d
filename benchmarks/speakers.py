"""Measures speaker embeddings of 8 recordings of 10 s, with random weights; the cases have NeMo's published sizes."""

from functools import partial
from typing import Any

import jax

from benchmarks.models import noise_batch, num_parameters
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.configs.titanet import blocks

ENCODERS = {
    "titanet": {"name": "jasper", "blocks": blocks(1024)},
    "titanet_small": {"name": "jasper", "blocks": blocks(256)},
    "ecapa": {"name": "ecapa"},
}


def embed(repeat: int, *, name: str) -> dict[str, Any]:
    """Embed one batch; the time includes the copy of the result to the host."""
    config = {"task": "speaker", "features": {"name": "mel"}, "encoder": ENCODERS[name]}
    task = build(config | {"decoder": {"name": "speaker", "num_classes": 7205}})
    variables = jax.jit(task.init)(jax.random.key(0))
    batch = noise_batch(8, 10.0)
    predict = jax.jit(task.inference.embed)
    times = measure(lambda: jax.device_get(predict(variables, batch.samples, batch.num_samples)), repeat or 5)
    sizes = {"params": num_parameters(variables), "batch": 8, "secs_audio": 80.0}
    return {**sizes, **times, "RTFx": 80.0 / times["median_s"]}


CASES = {name: partial(embed, name=name) for name in ENCODERS}
