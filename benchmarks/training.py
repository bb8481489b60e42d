"""Measures whole training steps: dither, SpecAugment, dropout, loss, gradient and AdamW."""

from functools import partial
from typing import Any

import jax

from benchmarks.models import ctc_config, nest_config, noise_batch, num_parameters, speech_batch, transducer_config
from benchmarks.timing import measure
from jaxspeech.builder import build
from jaxspeech.training.flops import step_flops
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.update_rules import adamw
from jaxspeech.training.updates import Update


def train(
    repeat: int, *, config: dict[str, Any], batch_size: int = 8, seconds: float = 10.0, labelled: bool = True
) -> dict[str, Any]:
    """Measure the training step of a model, and count the FLOPs of its products."""
    task = build(config)
    optimizer = adamw(1e-3)
    state = init_state(jax.jit(task.init)(jax.random.key(0)), (optimizer,))
    parameters = num_parameters(state.variables)
    step = make_train_step(task, (Update(optimizer),), schedule=lambda count: 1e-3, loss_reduction="mean_volume")
    batch = (noise_batch if labelled else speech_batch)(batch_size, seconds)
    flops = step_flops(step, state, batch, 0)

    def run() -> Any:
        nonlocal state
        state, metrics = step(state, batch, 0)
        return metrics

    times = measure(run, repeat or 5, warmup=3)
    sizes = {"params": parameters, "batch": batch_size, "secs_audio": seconds}
    sizes |= {"U": batch.labels.shape[1]} if labelled else {}
    return {**sizes, **times, "tflops": flops / 1e12, "audio_s_per_s": batch_size * seconds / times["median_s"]}


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


def train_nest(
    repeat: int, *, size: str = "12m", batch_size: int = 8, seconds: float = 10.0, **encoder: Any
) -> dict[str, Any]:
    """Measure the training step of masked prediction with the encoder of `train_ctc`, and the quantizer alone."""
    config = nest_config(size, **encoder)
    whole = train(repeat, config=config, batch_size=batch_size, seconds=seconds, labelled=False)
    task = build(config)
    model, group = task.model, task.model.encoder.total_factor
    samples, lengths = speech_batch(batch_size, seconds)[:2]
    features, frames = jax.jit(lambda *args: model.apply({}, *args, method="features"))(samples, lengths)
    constants = {"constants": jax.jit(task.init)(jax.random.key(0))["constants"]["quantizer"]}
    quantize = jax.jit(partial(model.quantizer.apply, group=group))
    quantizer_s = measure(lambda: quantize(constants, features, frames), repeat or 5)["median_s"]
    return whole | {"quantizer_s": quantizer_s, "quantizer_share": quantizer_s / whole["median_s"]}


ON_GPU = {"dtype": "bfloat16", "seconds": 20.0}
CASES = {"train_ctc": train_ctc, "train_nest": train_nest, "train_rnnt": train_rnnt}
GPU_CASES = {
    "train_ctc_115m_gpu": partial(train_ctc, size="115m", batch_size=64, **ON_GPU),
    "train_ctc_600m_gpu": partial(train_ctc, size="600m", batch_size=32, remat="full", **ON_GPU),
    "train_nest_115m_gpu": partial(train_nest, size="115m", batch_size=64, **ON_GPU),
    "train_rnnt_115m_gpu": partial(train_rnnt, size="115m", joint_width=640, batch_size=64, **ON_GPU),
}
