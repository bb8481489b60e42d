"""Measures the losses and their gradients."""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.timing import measure
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.losses.transducer import rnnt_loss
from jaxspeech.losses.transducer_joint import rnnt_joint_loss


def loss_ctc(repeat: int, *, b: int = 16, t: int = 400, u: int = 80, v: int = 1024) -> dict[str, Any]:
    """Compute CTC from logits, with its log-softmax."""
    rng = np.random.default_rng(0)
    logits = jax.device_put(rng.standard_normal((b, t, v + 1)).astype(np.float32))
    labels = jax.device_put(rng.integers(0, v, (b, u)).astype(np.int32))
    num_frames, num_labels = np.full(b, t, np.int32), np.full(b, u, np.int32)

    def mean_loss(logits: jax.Array) -> jax.Array:
        return ctc_loss(logits, num_frames, labels, num_labels, blank_id=v).mean()

    step = jax.jit(jax.value_and_grad(mean_loss))
    times = measure(lambda: step(logits), repeat or 15)
    return {"B": b, "T": t, "U": u, "V": v, "tensor_mib": logits.nbytes / 2**20, **times}


def loss_rnnt(repeat: int, *, b: int = 8, t: int = 150, u: int = 40, v: int = 1024) -> dict[str, Any]:
    """Compute RNN-T from logits, with its log-softmax."""
    rng = np.random.default_rng(0)
    logits = jax.device_put(rng.standard_normal((b, t, u + 1, v + 1)).astype(np.float32))
    labels = jax.device_put(rng.integers(0, v, (b, u)).astype(np.int32))
    num_frames, num_labels = np.full(b, t, np.int32), np.full(b, u, np.int32)

    def mean_loss(logits: jax.Array) -> jax.Array:
        return rnnt_loss(logits, num_frames, labels, num_labels, blank_id=v).mean()

    step = jax.jit(jax.value_and_grad(mean_loss))
    times = measure(lambda: step(logits), repeat or 5)
    return {"B": b, "T": t, "U": u, "V": v, "tensor_mib": logits.nbytes / 2**20, **times}


def loss_rnnt_joint(
    repeat: int, *, b: int = 8, t: int = 125, u: int = 40, v: int = 1024, j: int = 320, dtype: str = "float32"
) -> dict[str, Any]:
    """Compute RNN-T from a joint network without storing logits: the loss and the gradients of all four inputs."""
    rng = np.random.default_rng(0)
    shapes = (b, t, j), (b, u + 1, j), (j, v + 1), (v + 1,)
    joint = [jax.device_put(0.3 * rng.standard_normal(shape).astype(np.float32)) for shape in shapes]
    joint[:2] = [x.astype(dtype) for x in joint[:2]]
    labels = jax.device_put(rng.integers(0, v, (b, u)).astype(np.int32))
    num_frames, num_labels = np.full(b, t, np.int32), np.full(b, u, np.int32)

    def mean_loss(joint: list[jax.Array]) -> jax.Array:
        return rnnt_joint_loss(*joint, num_frames, labels, num_labels, blank_id=v).mean()

    step = jax.jit(jax.value_and_grad(mean_loss))
    memory = step.lower(joint).compile().memory_analysis()
    times = measure(lambda: step(joint), repeat or 5)
    sizes = {"B": b, "T": t, "U": u, "V": v, "J": j, "dtype": dtype, "logits_mib": b * t * (u + 1) * (v + 1) / 2**18}
    return {**sizes, "temporary_mib": memory.temp_size_in_bytes / 2**20, **times}


CASES = {"loss_ctc": loss_ctc, "loss_rnnt": loss_rnnt, "loss_rnnt_joint": loss_rnnt_joint}
GPU_CASES = {
    "loss_ctc_gpu": partial(loss_ctc, b=128),
    "loss_rnnt_gpu": partial(loss_rnnt, b=32),
    "loss_rnnt_joint_gpu": partial(loss_rnnt_joint, b=64, t=250, u=80, j=640, dtype="bfloat16"),
}
