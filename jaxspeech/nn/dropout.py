"""Dropout from one random byte an element (Srivastava et al., 2014).

y = x keep / (1 - p),    keep ~ Bernoulli(1 - p)
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8


def random_bytes(key: Any, shape: tuple[int, ...]) -> UInt8[Array, "..."]:
    """Bytes for masks: a hash of (key, place), a dozen times cheaper than JAX's counter-based generator.

    The mixing steps are those of lowbias32 (Wellons, 2018), with one word of the key before each.
    """
    first, second = jax.random.key_data(key).astype(jnp.uint32).reshape(-1)[:2]
    size = math.prod(shape)
    words = jax.lax.iota(jnp.uint32, -(-size // 4)) * jnp.uint32(0x9E3779B9) + first
    words = (words ^ (words >> 16)) * jnp.uint32(0x21F0AAAD)
    words = ((words ^ (words >> 15)) + second) * jnp.uint32(0x735A2D97)
    words = (words ^ (words >> 15)) * jnp.uint32(0x9E3779B1)
    return jax.lax.bitcast_convert_type(words ^ (words >> 16), jnp.uint8).reshape(-1)[:size].reshape(shape)


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
