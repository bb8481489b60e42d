"""A token's keys and values are written into the cache where it is: a loop over tokens copies none of it."""

import re

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.nn.grouped_attention import attend, stored
from jaxspeech.nn.key_value_attention import KeysValues

GROUPS, PLACES, CHANNELS = 2, 96, 8


@pytest.mark.parametrize("rows", [1, 3])
def test_a_loop_over_tokens_copies_no_cache(rows):
    cache = KeysValues(*(jnp.zeros((rows, GROUPS, PLACES, CHANNELS)) for _ in range(2)))

    def body(place, carry):
        x, cache = carry
        own = KeysValues(x[:, :, None], x[:, :, None])
        cache = stored(cache, own, jnp.full((rows, 1), place))
        seen = jnp.broadcast_to(jnp.arange(PLACES) <= place, (rows, 1, PLACES))
        return attend(x[:, None].reshape(rows, 1, GROUPS, CHANNELS), cache, seen).reshape(x.shape), cache

    def run(x, cache):
        return jax.lax.fori_loop(0, PLACES, body, (x, cache))

    compiled = jax.jit(run).lower(jnp.ones((rows, GROUPS, CHANNELS)), cache).compile()
    copies = re.findall(rf"f32\[{rows},{GROUPS},{PLACES},{CHANNELS}\]\S* copy\(", compiled.as_text())
    # One each of keys and values on entry, since the caller keeps its own.
    assert len(copies) <= 2
