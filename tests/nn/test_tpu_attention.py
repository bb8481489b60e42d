"""The TPU kernel of attention, interpreted on this machine, against the portable computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.masks import attention_mask, context_mask, length_mask
from jaxspeech.nn.attention import Positional, attention, split_positions
from jaxspeech.nn.tpu_attention import attention_on_tpu

# Two blocks of 128 queries, of which the last one is not full; the last row has no key at all.
B, T, H, K = 3, 150, 2, 16
LENGTHS = jnp.array([T, 40, 0])


@pytest.mark.parametrize("mask", ["pairs", "frames", "for all rows"])
def test_the_kernel_computes_what_the_portable_code_does(mask):
    rng = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    query, key, value = (normal(B, T, H, K) for _ in range(3))
    positional = Positional(split_positions(normal(2 * T - 1, H * K), H), normal(H, K), normal(H, K))
    window = context_mask(jnp.arange(T), jnp.arange(T), 70, 20)
    seen = {
        "pairs": attention_mask(LENGTHS, window),
        "frames": length_mask(LENGTHS, T)[:, None],
        "for all rows": window[None],
    }[mask]
    arrays = query, key, value, seen, positional
    found = jax.jit(lambda *arrays: attention_on_tpu(*arrays, interpret=True))(*arrays)
    expected = jax.jit(lambda *arrays: attention(*arrays, None, rate=0.0, train=False))(*arrays)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert mask == "for all rows" or not found[2].any()
