"""Whole training steps: dither, SpecAugment, dropout, loss, gradient and AdamW."""

from functools import partial
from typing import Any

import jax

from benchmarks.models import ctc_config, noise_batch, num_parameters
from benchmarks.timing import measure
from jaxspeech.configuration import build
from jaxspeech.training.optimizer import adamw
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step


def train_ctc(
    repeat: int, *, size: str = "12m", batch_size: int = 8, seconds: float = 10.0, **encoder: Any
) -> dict[str, Any]:
    """One step of a FastConformer-CTC."""
    task = build(ctc_config(size, spec_augment=True, **encoder))
    optimizer = adamw(1e-3)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), optimizer)
    parameters = num_parameters(state.variables)
    step = make_train_step(task, optimizer, schedule=lambda count: 1e-3, loss_reduction="mean_volume")
    batch = noise_batch(batch_size, seconds)

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, batch, 0)
        return metrics

    times = measure(run, repeat or 5, warmup=3)
    sizes = {"params": parameters, "batch": batch_size, "secs_audio": seconds, "U": batch.labels.shape[1]}
    return {**sizes, **times, "audio_s_per_s": batch_size * seconds / times["median_s"]}


CASES = {"train_ctc": train_ctc}
GPU_CASES = {
    "train_ctc_115m_gpu": partial(train_ctc, size="115m", batch_size=64, seconds=20.0, dtype="bfloat16"),
    "train_ctc_600m_gpu": partial(train_ctc, size="600m", batch_size=32, seconds=20.0, dtype="bfloat16", remat="full"),
}
