"""Dropout from one random byte an element (Srivastava et al., 2014).

y = x keep / (1 - p),    keep ~ Bernoulli(1 - p)
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.randomness import random_bytes


class Dropout(nn.Module):
    """Zeroes elements with probability `rate`, rounded to 1/256, and scales the rest so that the mean stays."""

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "..."], *, train: bool) -> Float[Array, "..."]:
        dropped = round(self.rate * 256)
        if not train or dropped == 0:
            return x
        keep = random_bytes(self.make_rng("dropout"), x.shape) >= dropped
        return jnp.where(keep, x * jnp.asarray(256 / (256 - dropped), x.dtype), jnp.zeros((), x.dtype))
