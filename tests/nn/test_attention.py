from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.masks import attention_mask, chunked_context_mask, context_mask
from jaxspeech.nn.attention import SelfAttention, position_scores, split_positions
from jaxspeech.nn.positions import absolute_positions, relative_positions


@pytest.mark.parametrize(("t", "s"), [(5, 5), (3, 7), (1, 1), (1, 4)])
def test_position_scores_are_those_of_the_distances(t: int, s: int) -> None:
    rng = np.random.default_rng(0)
    query, positions = rng.normal(size=(2, t, 3, 4)), rng.normal(size=(t + s - 1, 3, 4))
    projected = jnp.asarray(positions.reshape(t + s - 1, 12), jnp.float32)
    scores = position_scores(jnp.asarray(query, jnp.float32), split_positions(projected, 3))
    assert scores.shape == (2, 3, t, s)
    for i in range(t):
        for j in range(s):
            # The first position is the largest distance, from the last query back to the first key.
            distance = s - t + i - j
            expected = np.einsum("bhk,hk->bh", query[:, i], positions[s - 1 - distance])
            np.testing.assert_allclose(scores[:, :, i, j], expected, rtol=1e-4, atol=1e-5)


def test_positions() -> None:
    relative = relative_positions(3, 3, 8)
    absolute = absolute_positions(4, 8)
    assert relative.shape == (7, 8)
    np.testing.assert_allclose(relative[3], absolute[0], atol=1e-7)  # distance 0 is position 0
    np.testing.assert_allclose(relative[:4][::-1], absolute, atol=1e-6)  # keys before the query have positive positions
    angle = 3 / 10000 ** (2 * 2 / 8)
    np.testing.assert_allclose(absolute[3, 4:6], [np.sin(angle), np.cos(angle)], rtol=1e-6)


def test_context_masks() -> None:
    for left, right in [(-1, -1), (2, 1), (-1, 0), (0, -1)]:
        mask = np.asarray(context_mask(jnp.arange(6), jnp.arange(6), left, right))
        for query in range(6):
            for key in range(6):
                seen = (left < 0 or key >= query - left) and (right < 0 or key <= query + right)
                assert mask[query, key] == seen
    chunked = np.asarray(
        chunked_context_mask(jnp.arange(8), jnp.arange(8), 4, 1)
    )  # chunks of two frames, attending to two earlier chunks
    for query in range(8):
        for key in range(8):
            assert chunked[query, key] == (0 <= query // 2 - key // 2 <= 2)


def test_attention_against_loops() -> None:
    """Compares with Transformer-XL's equation, computed in float64 one query and one key at a time."""
    b, t, d, h = 2, 5, 8, 2
    k = d // h
    key = jax.random.key(0)
    x = jax.random.normal(key, (b, t, d))
    lengths = jnp.array([5, 3])
    mask = attention_mask(lengths, context_mask(jnp.arange(t), jnp.arange(t), 2, 1))
    module = SelfAttention(num_heads=h)
    positions = relative_positions(t - 1, t - 1, d)
    params = module.init(key, x, mask, positions)["params"]
    params["bias_u"] = jax.random.normal(jax.random.key(1), (h, k))
    params["bias_v"] = jax.random.normal(jax.random.key(2), (h, k))
    got = module.apply({"params": params}, x, mask, positions)

    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    xs, ps = np.asarray(x, np.float64), np.asarray(positions, np.float64)
    project = {n: (xs @ p[n]["kernel"] + p[n]["bias"]).reshape(b, t, h, k) for n in ("query", "key", "value")}
    position = (ps @ p["position"]["kernel"]).reshape(-1, h, k)
    want = np.zeros((b, t, h, k))
    for i in range(b):
        for q in range(int(lengths[i])):
            for head in range(h):
                keys = [s for s in range(int(lengths[i])) if q - 2 <= s <= q + 1]
                scores = [
                    (project["query"][i, q, head] + p["bias_u"][head]) @ project["key"][i, s, head]
                    + (project["query"][i, q, head] + p["bias_v"][head]) @ position[t - 1 - (q - s), head]
                    for s in keys
                ]
                weights = np.exp(np.array(scores) / np.sqrt(k))
                weights /= weights.sum()
                want[i, q, head] = sum(w * project["value"][i, s, head] for w, s in zip(weights, keys, strict=True))
    want = want.reshape(b, t, d) @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(got, want, atol=2e-6)


def test_half_precision_is_close_to_float32_and_frames_of_alignment_change_nothing() -> None:
    """13 frames are padded to 16 in bfloat16; a query without keys yields the output bias in both."""
    b, t, d = 2, 13, 16
    x = jax.random.normal(jax.random.key(0), (b, t, d))
    mask = attention_mask(jnp.array([13, 9]), context_mask(jnp.arange(t), jnp.arange(t), 4, 2))
    positions = relative_positions(t - 1, t - 1, d)
    module = SelfAttention(num_heads=2)
    params = module.init(jax.random.key(1), x, mask, positions)["params"]
    params["bias_v"] = jax.random.normal(jax.random.key(2), params["bias_v"].shape)

    def output(params, x, positions, dtype):
        options = x.astype(dtype), mask, positions.astype(dtype)
        return SelfAttention(num_heads=2, dtype=dtype).apply({"params": params}, *options).astype(jnp.float32)

    def gradients(dtype):
        loss = jax.jit(jax.grad(lambda *inputs: jnp.square(output(*inputs, dtype)).sum(), (0, 1, 2)))
        return loss(params, x, positions)

    want, got = (jax.jit(partial(output, dtype=dtype))(params, x, positions) for dtype in (jnp.float32, jnp.bfloat16))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, atol=0.02 * float(jnp.abs(want).max()))
    for half, single in zip(*(jax.tree.leaves(gradients(x)) for x in (jnp.bfloat16, jnp.float32)), strict=True):
        np.testing.assert_allclose(half, single, atol=0.04 * float(jnp.abs(single).max()) + 0.01)
