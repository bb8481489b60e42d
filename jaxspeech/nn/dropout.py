"""Dropout (Srivastava et al., 2014) from one random byte per element.

y = x keep / (1 - p),    keep ~ Bernoulli(1 - p)
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.randomness import random_bytes, random_bytes_by_element


def dropout(key: Any, x: Float[Array, "..."], *, rate: float) -> Float[Array, "..."]:
    """Zeroes elements with probability `rate`, rounded to 1/256, and scales the others to preserve the mean."""
    dropped = round(rate * 256)
    if dropped == 0:
        return x
    scale = 256 / (256 - dropped)
    if x.dtype == jnp.float32:
        return jnp.where(random_bytes(key, x.shape) >= dropped, x * scale, 0.0)  # the fastest on a CPU
    keep = jax.lax.platform_dependent(
        key,
        cpu=lambda key: random_bytes(key, x.shape) >= dropped,
        default=lambda key: random_bytes_by_element(key, x.shape) >= dropped,
    )
    # A factor, because a scan's forward pass would store the zeros of `where`, and read them in every layer. It is
    # float32 so that the result is rounded once, which has no bias in bfloat16.
    return (x.astype(jnp.float32) * (keep.astype(jnp.float32) * scale)).astype(x.dtype)


class Dropout(nn.Module):
    """Applies `dropout` in training, with a key from the random stream "dropout"."""

    rate: float

    def __call__(self, x: Float[Array, "..."], *, train: bool) -> Float[Array, "..."]:
        drawn = self.draw(train=train)
        return x if drawn is None else dropout(drawn, x, rate=self.rate)

    def draw(self, *, train: bool) -> Any:
        """Returns a key for `dropout`; None if nothing is dropped."""
        return self.make_rng("dropout") if train and self.rate > 0 else None
