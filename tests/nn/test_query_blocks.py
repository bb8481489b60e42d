"""Attention by blocks of queries gives what all queries at once give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.masks import attention_mask, context_mask, length_mask
from jaxspeech.nn import query_blocks
from jaxspeech.nn.attention import Positional, attention, attention_in_blocks
from jaxspeech.nn.key_value_attention import KeyValueAttention
from jaxspeech.nn.query_blocks import block_size

B, T, H, K = 2, 50, 3, 4
LENGTHS = jnp.array([50, 37])
# Blocks of 16 queries, the last one of which is not full.
MOST = B * H * T * 16


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(query_blocks, "LEAST_QUERIES", 16)


def random(shape, seed):
    return jax.random.normal(jax.random.key(seed), shape)


def test_sizes_of_blocks(monkeypatch):
    assert block_size(B, H, T, T, most_scores=MOST) == 16
    assert block_size(B, H, 32, T, most_scores=MOST) == 32  # few enough at once
    monkeypatch.setattr(query_blocks, "LEAST_QUERIES", 64)
    for queries in (1000, 1125, 45000):
        size = block_size(1, 8, queries, queries)
        assert size % 16 == 0 and 8 * size * queries <= max(query_blocks.MOST_SCORES, 8 * 64 * queries)


@pytest.mark.parametrize("positions", [True, False])
@pytest.mark.parametrize("context", [None, (5, 2)])
def test_self_attention(positions, context):
    query, key, value = (random((B, T, H, K), i) for i in range(3))
    positional = None
    if positions:
        positional = Positional(random((H, K, 2 * T), 3), random((H, K), 4), random((H, K), 5))
    place = jnp.arange(T)
    pairs = attention_mask(LENGTHS, context_mask(place, place, *(context or (-1, -1))))
    mask = pairs if context else length_mask(LENGTHS, T)[:, None]
    expected = attention(query, key, value, pairs, positional, None, rate=0.0, train=False)
    found = jax.jit(lambda *x: attention_in_blocks(*x, most_scores=MOST))(query, key, value, mask, positional)
    for i, n in enumerate(LENGTHS.tolist()):
        np.testing.assert_allclose(found[i, :n], expected[i, :n], atol=1e-5)
    assert np.isfinite(found).all()


def test_attention_to_keys_and_values(monkeypatch):
    module, x = KeyValueAttention(width=12, num_heads=3), random((B, T, 12), 0)
    mask = length_mask(LENGTHS, T)[:, None]

    def run(method):
        def both(module, x):
            return getattr(module, method)(x, module.keys_values(x), mask)

        return module.apply(variables, x, method=both)

    variables = module.init(jax.random.key(0), x, method=lambda module, x: module(x, module.keys_values(x), mask))
    expected = run("__call__")
    np.testing.assert_allclose(run("to_frames"), expected, atol=1e-5)
    monkeypatch.setattr(query_blocks, "MOST_SCORES", MOST)
    np.testing.assert_allclose(run("to_frames"), expected, atol=1e-5)
