"""Attention in groups: block by block as all at once, and a cache that keeps what is put outside of it out."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.grouped_attention import attend, attend_in_blocks, stored
from jaxspeech.nn.key_value_attention import KeysValues


def test_blocks_give_what_all_queries_at_once_give():
    keys = jax.random.split(jax.random.key(0), 3)
    query = jax.random.normal(keys[0], (2, 150, 4, 6))
    attended = KeysValues(*(jax.random.normal(key, (2, 2, 160, 6)) for key in keys[1:]))
    seen = jnp.arange(160) <= jnp.arange(150)[:, None] + jnp.array([3, 10])[:, None, None]
    whole = attend(query, attended, seen)
    few = 2 * 4 * 160 * 64
    found = jax.jit(lambda *arrays: attend_in_blocks(*arrays, most_scores=few))(query, attended, seen)
    np.testing.assert_allclose(found, whole, atol=1e-6)
    np.testing.assert_array_equal(attend_in_blocks(query, attended, seen, most_scores=1 << 30), whole)


def test_groups_are_neighbouring_heads():
    query = jnp.zeros((1, 1, 4, 2))
    values = jnp.arange(2.0)[:, None, None] * jnp.ones((1, 2, 3, 2))
    y = attend(query, KeysValues(jnp.zeros((1, 2, 3, 2)), values), jnp.ones((1, 1, 3), bool))
    np.testing.assert_allclose(y[0, 0], [0, 0, 0, 0, 1, 1, 1, 1])


def test_a_cache_takes_each_row_at_its_own_place():
    past = KeysValues(jnp.zeros((2, 1, 3, 1)), jnp.zeros((2, 1, 3, 1)))
    new = jnp.array([[[[1.0], [2.0]]], [[[3.0], [4.0]]]])
    kept = stored(past, KeysValues(new, -new), jnp.array([[1, 2], [0, 4]]))
    np.testing.assert_array_equal(kept.keys[..., 0], [[[0, 1, 2]], [[3, 0, 0]]])
    np.testing.assert_array_equal(kept.values, -kept.keys)
