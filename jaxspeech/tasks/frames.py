"""Computes how many encoder frames recordings give, from their lengths alone."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from jaxspeech.tasks.acoustic import AcousticModel

# Lengths computed at once. The audio itself is never allocated: the compiler drops all that the count does not need.
ROWS = 32


def encoded_frames(model: AcousticModel, samples: Any, num_samples: Any) -> Any:
    """The numbers of frames that the model's encoder gives."""
    return model.encode(samples, num_samples)[1]


def count_frames(
    model: AcousticModel, num_samples: Int[np.ndarray, " N"], *, counted: Callable[..., Any] = encoded_frames
) -> Int[np.ndarray, " N"]:
    """Returns the number of encoder frames of recordings with these numbers of samples.

    The model's own `encode` is traced, so that the numbers are those of the loss, whatever the encoder; `counted` is a
    function (bound model, samples [B S], num_samples [B]) -> numbers [B] of other frames.
    """
    if not len(num_samples):
        return np.zeros(0, np.int64)
    # A power of two, so that a few programs serve all data; one second at least, for encoders with large kernels.
    size = 1 << int(np.ceil(np.log2(max(int(num_samples.max()), model.frontend.sample_rate))))
    hashable: Any = model
    count = _program(hashable, size, counted)
    padded = np.zeros(-(-len(num_samples) // ROWS) * ROWS, np.int32)
    padded[: len(num_samples)] = num_samples
    found = [np.asarray(count(rows)) for rows in padded.reshape(-1, ROWS)]
    return np.concatenate(found)[: len(num_samples)].astype(np.int64)


@lru_cache(maxsize=32)
def _program(model: AcousticModel, size: int, counted: Callable[..., Any]) -> Callable[[Any], Any]:
    def count(num_samples: Any) -> Any:
        samples = jnp.zeros((ROWS, size))
        init = jax.eval_shape(lambda key: model.init(key, samples, num_samples, method=counted), jax.random.key(0))
        variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), init)
        return model.apply(variables, samples, num_samples, method=counted)

    return jax.jit(count)
