"""Dropout (Srivastava et al., 2014) from one random byte per element.

y = x keep / (1 - p),    keep ~ Bernoulli(1 - p)
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.randomness import random_bytes


def dropout(key: Any, x: Float[Array, "..."], *, rate: float) -> Float[Array, "..."]:
    """Zeroes elements with probability `rate`, rounded to 1/256, and scales the others to preserve the mean."""
    dropped = round(rate * 256)
    if dropped == 0:
        return x
    keep, scale = random_bytes(key, x.shape) >= dropped, 256 / (256 - dropped)
    if x.dtype == jnp.float32:
        return jnp.where(keep, x * scale, 0.0)  # the fastest on a CPU
    # A factor, because a scan's forward pass would store the zeros of `where`, and read them in every layer. It is
    # float32 so that the result is rounded once, which has no bias in bfloat16.
    return (x.astype(jnp.float32) * (keep.astype(jnp.float32) * scale)).astype(x.dtype)


class Dropout(nn.Module):
    """Applies `dropout` in training, with a key from the random stream "dropout"."""

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "..."], *, train: bool) -> Float[Array, "..."]:
        return dropout(self.make_rng("dropout"), x, rate=self.rate) if train and self.rate > 0 else x
