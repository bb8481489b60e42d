"""Computes a checksum of a state that is the same however its arrays are sharded.

fingerprint = sum over elements of mix(bits(x) xor mix(place(x)))   mod 2^32

`mix` is a bijection, so changing any one element changes the fingerprint. The checkpoint format itself detects missing
bytes, but not wrong ones.
"""

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, UInt32

from jaxspeech.training.parameters import path_name

BITS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}
# What `_mix` takes: an array on a device or on the host.
Words = TypeVar("Words", Array, np.ndarray)


def fingerprint(tree: Any) -> int:
    """The fingerprint of all arrays in the tree, ordered by name, so that tuples and dicts of the same arrays agree.

    One small program for each shape: XLA takes minutes for a single program that reads a thousand arrays.
    """
    by_name = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    sums = jax.device_get([_of_array(leaf) for _, leaf in sorted(by_name.items())])
    total = np.zeros(1, np.uint32)
    for value in sums:
        total = _mix(total) + value
    return int(total[0])


@jax.jit
def _of_array(x: Any) -> UInt32[Array, ""]:
    bits = x.astype(jnp.uint8) if x.dtype == jnp.bool_ else jax.lax.bitcast_convert_type(x, BITS[x.dtype.itemsize])
    place = jnp.zeros(x.shape, jnp.uint32)
    for axis in range(x.ndim):  # not flattened: that would gather sharded arrays
        place = _mix(place + jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis))
    return jnp.sum(_mix(bits.astype(jnp.uint32) ^ place), dtype=jnp.uint32)


def _mix(x: Words) -> Words:
    """MurmurHash3's finaliser (A. Appleby, public domain)."""
    x = (x ^ (x >> 16)) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * np.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
