"""A number that tells whether a state is the one that was saved, wherever its arrays lie.

fingerprint = sum over elements of mix(bits(x) xor mix(place(x)))   mod 2^32

with `mix` one to one, so that a change of any one element changes it. A checkpoint's own format notices missing bytes,
not wrong ones.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from jaxspeech.training.parameters import path_name

BITS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32}


@jax.jit
def fingerprint(tree: Any) -> UInt32[Array, ""]:
    """Of all arrays in the tree, in the order of their names: tuples and dicts of the same are the same."""
    total = jnp.uint32(0)
    by_name = {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    for _, leaf in sorted(by_name.items()):
        total = _mix(total) + _of_array(leaf)
    return total


def _of_array(x: Any) -> UInt32[Array, ""]:
    bits = x.astype(jnp.uint8) if x.dtype == jnp.bool_ else jax.lax.bitcast_convert_type(x, BITS[x.dtype.itemsize])
    place = jnp.zeros(x.shape, jnp.uint32)
    for axis in range(x.ndim):  # not flattened: that would gather what is sharded
        place = _mix(place + jax.lax.broadcasted_iota(jnp.uint32, x.shape, axis))
    return jnp.sum(_mix(bits.astype(jnp.uint32) ^ place), dtype=jnp.uint32)


def _mix(x: UInt32[Array, "*shape"]) -> UInt32[Array, "*shape"]:
    """MurmurHash3's finaliser (A. Appleby, public domain)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)
