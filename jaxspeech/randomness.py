"""Random numbers for masks and noise by hashing (key, index): several times cheaper than JAX's default generator.

The mixing steps are those of lowbias32 (Wellons, 2018), with one word of the key before each. The same key gives the
same numbers on every device and under every sharding. Not for making new keys, nor for cryptography.
"""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8, UInt32


def words_of(key: Any) -> UInt32[Array, "2"]:
    """Returns the two words of a key that are hashed."""
    return jax.random.key_data(key).astype(jnp.uint32).reshape(-1)[:2]


def mix(index: UInt32[Array, "..."], first: Any, second: Any) -> UInt32[Array, "..."]:
    """Hashes (key, index), where `first` and `second` are the words of the key."""
    words = index * jnp.uint32(0x9E3779B9) + first
    words = (words ^ (words >> 16)) * jnp.uint32(0x21F0AAAD)
    words = ((words ^ (words >> 15)) + second) * jnp.uint32(0x735A2D97)
    words = (words ^ (words >> 15)) * jnp.uint32(0x9E3779B1)
    return words ^ (words >> 16)


def random_words(key: Any, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """Draw uniform 32-bit words."""
    first, second = words_of(key)
    return mix(jax.lax.iota(jnp.uint32, math.prod(shape)), first, second).reshape(shape)


def random_bytes(key: Any, shape: tuple[int, ...]) -> UInt8[Array, "..."]:
    """Draw uniform bytes, four from each word."""
    size = math.prod(shape)
    words = random_words(key, (-(-size // 4),))
    return jax.lax.bitcast_convert_type(words, jnp.uint8).reshape(-1)[:size].reshape(shape)


def bytes_of_rows(words: UInt32[Array, "*rows 2"], shape: tuple[int, ...]) -> UInt32[Array, "..."]:
    """Draw `random_bytes` of this shape for each row, from the two words of its key; returns [*rows *shape]."""
    size, rows = math.prod(shape), words.shape[:-1]

    def by_word(words: UInt32[Array, "*rows 2"]) -> Array:
        drawn = mix(jax.lax.iota(jnp.uint32, -(-size // 4)), words[..., :1], words[..., 1:])
        return jax.lax.bitcast_convert_type(drawn, jnp.uint8).reshape(*rows, -1)[..., :size].astype(jnp.uint32)

    def by_element(words: UInt32[Array, "*rows 2"]) -> Array:
        return byte_at(jax.lax.iota(jnp.uint32, size), words[..., :1], words[..., 1:])

    return jax.lax.platform_dependent(words, cpu=by_word, default=by_element).reshape(*rows, *shape)


def random_bytes_by_element(key: Any, shape: tuple[int, ...], *, again: bool = False) -> UInt32[Array, "..."]:
    """Draw the numbers of `random_bytes`, each computed by itself: for accelerators, which fuse it with their use.

    Two calls with the same key, one of which has `again`, are not made into one, whose result would be stored.
    """
    first, second = words_of(key)
    return _by_element(first, second, math.prod(shape), int(again)).reshape(shape)


@partial(jax.checkpoint, prevent_cse=False, static_argnums=(2, 3))
def _by_element(first: Any, second: Any, size: int, start: int) -> UInt32[Array, " N"]:
    """Computes the bytes; without `checkpoint`, a scan over keys stores the places, and reads them for every key."""
    begin, first, second = jax.lax.optimization_barrier((jnp.uint32(start), first, second))
    return byte_at(jax.lax.iota(jnp.uint32, size) + begin - jnp.uint32(start), first, second)


def byte_at(place: UInt32[Array, "..."], first: Any, second: Any) -> UInt32[Array, "..."]:
    """Returns the bytes at these places of `random_bytes`, flattened; arguments as in `mix`."""
    word = mix(place >> 2, first, second)
    return (word >> ((place & 3) << 3)) & 255


def standard_normal(key: Any, shape: tuple[int, ...]) -> Float[Array, "..."]:
    """Draw from the standard normal distribution in float32, with 2^24 distinct values, none beyond +-5.4."""
    # The uniform levels lie between -1 and 1, half a step away from either.
    uniform = (random_words(key, shape) >> 8).astype(jnp.float32) * 2.0**-23 + (2.0**-24 - 1)
    return math.sqrt(2) * jax.lax.erf_inv(uniform)
