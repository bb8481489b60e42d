"""Measures whole training steps: dither, SpecAugment, dropout, loss, gradient and AdamW."""

from functools import partial
from typing import Any

import jax

from benchmarks.models import ctc_config, noise_batch, num_parameters, transducer_config
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update


def train(repeat: int, *, config: dict[str, Any], batch_size: int = 8, seconds: float = 10.0) -> dict[str, Any]:
    """Measure the training step of a model."""
    task = build(config)
    optimizer = adamw(1e-3)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), (optimizer,))
    parameters = num_parameters(state.variables)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-3, loss_reduction="mean_volume")
    batch = noise_batch(batch_size, seconds)

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, batch, 0)
        return metrics

    times = measure(run, repeat or 5, warmup=3)
    sizes = {"params": parameters, "batch": batch_size, "secs_audio": seconds, "U": batch.labels.shape[1]}
    return {**sizes, **times, "audio_s_per_s": batch_size * seconds / times["median_s"]}


def train_ctc(
    repeat: int, *, size: str = "12m", batch_size: int = 8, seconds: float = 10.0, **encoder: Any
) -> dict[str, Any]:
    """Measure the training step of a FastConformer-CTC."""
    config = ctc_config(size, spec_augment=True, **encoder)
    return train(repeat, config=config, batch_size=batch_size, seconds=seconds)


def train_rnnt(
    repeat: int,
    *,
    size: str = "12m",
    joint_width: int = 320,
    batch_size: int = 8,
    seconds: float = 10.0,
    **encoder: Any,
) -> dict[str, Any]:
    """Measure the training step of a FastConformer-Transducer."""
    config = transducer_config(size, joint_width=joint_width, spec_augment=True, **encoder)
    return train(repeat, config=config, batch_size=batch_size, seconds=seconds)


ON_GPU = {"dtype": "bfloat16", "seconds": 20.0}
CASES = {"train_ctc": train_ctc, "train_rnnt": train_rnnt}
GPU_CASES = {
    "train_ctc_115m_gpu": partial(train_ctc, size="115m", batch_size=64, **ON_GPU),
    "train_ctc_600m_gpu": partial(train_ctc, size="600m", batch_size=32, remat="full", **ON_GPU),
    "train_rnnt_115m_gpu": partial(train_rnnt, size="115m", joint_width=640, batch_size=64, **ON_GPU),
}
