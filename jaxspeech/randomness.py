"""Random numbers for masks and noise by hashing (key, index): several times cheaper than JAX's default generator.

The mixing steps are those of lowbias32 (Wellons, 2018), with one word of the key before each. The same key gives the
same numbers on every device and under every sharding. Not for making new keys, nor for cryptography.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8, UInt32


def random_words(key: Any, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """Draw uniform 32-bit words."""
    first, second = jax.random.key_data(key).astype(jnp.uint32).reshape(-1)[:2]
    words = jax.lax.iota(jnp.uint32, math.prod(shape)) * jnp.uint32(0x9E3779B9) + first
    words = (words ^ (words >> 16)) * jnp.uint32(0x21F0AAAD)
    words = ((words ^ (words >> 15)) + second) * jnp.uint32(0x735A2D97)
    words = (words ^ (words >> 15)) * jnp.uint32(0x9E3779B1)
    return (words ^ (words >> 16)).reshape(shape)


def random_bytes(key: Any, shape: tuple[int, ...]) -> UInt8[Array, "..."]:
    """Draw uniform bytes, four from each word."""
    size = math.prod(shape)
    words = random_words(key, (-(-size // 4),))
    return jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[:size].reshape(shape)


def standard_normal(key: Any, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Draw from the standard normal distribution in float32, with 2^24 distinct values, none beyond +-5.4."""
    # The uniform levels lie between -1 and 1, half a step away from either.
    uniform = (random_words(key, shape) >> 8).astype(jnp.float32) * 2.0**-23 + (2.0**-24 - 1)
    return math.sqrt(2) * jax.lax.erf_inv(uniform)
