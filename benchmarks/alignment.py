"""Measures exact forced alignment of an hour: 45,000 frames of 80 ms, 15,000 labels, a lattice of 1.35e9 states."""

from functools import partial
from typing import Any

import jax
import numpy as np

from benchmarks.timing import measure
from jaxspeech.search.forced_alignment import forced_alignment

BLOCK_FRAMES = 256


def align(repeat: int, *, b: int = 1, t: int = 45_000, u: int = 15_000, v: int = 1024) -> dict[str, Any]:
    """Align random labels to random log-probabilities; the time does not depend on the values."""
    rng = np.random.default_rng(0)
    t_padded = -(-t // BLOCK_FRAMES) * BLOCK_FRAMES
    log_probs = jax.nn.log_softmax(rng.standard_normal((b, t_padded, v + 1), np.float32))
    labels = jax.device_put(rng.integers(0, v, (b, u)).astype(np.int32))
    lengths = np.full(b, t, np.int32), labels, np.full(b, u, np.int32)
    program = forced_alignment.lower(log_probs, *lengths, blank_id=v, block_frames=BLOCK_FRAMES).compile()
    times = measure(lambda: program(log_probs, *lengths), repeat or 5)
    temporaries = program.memory_analysis().temp_size_in_bytes / 2**20
    return {
        "B": b,
        "T": t,
        "U": u,
        "V": v,
        **times,
        "temporaries_mib": temporaries,
        "log_probs_mib": log_probs.nbytes / 2**20,
    }


CASES = {"align_1h": align}
GPU_CASES = {"align_1h_gpu": partial(align, b=8)}
