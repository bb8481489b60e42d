"""The losses, forward and backward, from logits."""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.timing import measure
from jaxspeech.losses.ctc import ctc_loss


def loss_ctc(repeat: int, *, b: int = 16, t: int = 400, u: int = 80, v: int = 1024) -> dict[str, Any]:
    """CTC with its log-softmax."""
    rng = np.random.default_rng(0)
    logits = jax.device_put(rng.standard_normal((b, t, v + 1)).astype(np.float32))
    labels = jax.device_put(rng.integers(0, v, (b, u)).astype(np.int32))
    num_frames, num_labels = np.full(b, t, np.int32), np.full(b, u, np.int32)

    def mean_loss(logits: jax.Array) -> jax.Array:
        return ctc_loss(logits, num_frames, labels, num_labels, blank_id=v).mean()

    step = jax.jit(jax.value_and_grad(mean_loss))
    times = measure(lambda: step(logits), repeat or 15)
    return {"B": b, "T": t, "U": u, "V": v, "tensor_mib": logits.nbytes / 2**20, **times}


CASES = {"loss_ctc": loss_ctc}
GPU_CASES = {"loss_ctc_gpu": partial(loss_ctc, b=128)}
