"""Compares block-wise local attention with masked full attention, and global frames with a loop over queries."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.masks import attention_mask, context_mask, length_mask
from jaxspeech.nn import local_attention
from jaxspeech.nn.attention import SelfAttention
from jaxspeech.nn.local_self_attention import LocalSelfAttention
from jaxspeech.nn.positions import relative_positions

WIDTH, HEADS = 8, 2
LENGTHS = jnp.array([37, 20, 1])


@pytest.fixture(params=[(4, 16), (8, 8), (16, 64)], ids=["3 groups", "5 groups of a block", "one group"])
def blocks(request, monkeypatch):
    """Sets small blocks and groups, so that a short input spans many of them."""
    monkeypatch.setattr(local_attention, "BLOCK", request.param[0])
    monkeypatch.setattr(local_attention, "GROUP", request.param[1])


def random_like(tree, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), tree)


def make(context, **fields):
    module = LocalSelfAttention(HEADS, context, **fields)
    x = random_like(jnp.zeros((3, 37, WIDTH)), seed=1)
    mask = length_mask(LENGTHS, 37)
    positions = relative_positions(*context, WIDTH)
    params = random_like(jax.eval_shape(module.init, jax.random.key(0), x, mask, positions))
    return module, params, x, mask, positions


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(
    ("blocks", "context"),
    [*(((4, 16), c) for c in [(5, 3), (0, 2), (7, 0), (0, 0), (50, 40)]), ((8, 8), (5, 3)), ((16, 64), (50, 40))],
    indirect=["blocks"],
)
def test_equals_masked_full_attention(context):
    module, params, x, mask, positions = make(context)
    full = SelfAttention(HEADS)
    pairs = attention_mask(LENGTHS, context_mask(jnp.arange(37), jnp.arange(37), *context))
    cotangent = random_like(x, seed=2)

    def by_blocks(params, x):
        return module.apply(params, x, mask, positions)

    def by_mask(params, x):
        return full.apply(params, x, pairs, relative_positions(36, 36, WIDTH))

    want, backward = jax.vjp(jax.jit(by_mask), params, x)
    got, backward_by_blocks = jax.vjp(jax.jit(by_blocks), params, x)
    np.testing.assert_allclose(got, want, atol=2e-5)
    for a, b in zip(jax.tree.leaves(backward_by_blocks(cotangent)), jax.tree.leaves(backward(cotangent)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize(("left", "chunk", "right"), [(5, 3, 2), (0, 7, 0)])
def test_chunks_equal_masked_full_attention(left, chunk, right):
    reach = left + chunk - 1, right + chunk - 1
    module, params, x, mask, positions = make(reach)
    module = module.clone(context=(left, right), chunk=chunk)
    first = [frame // chunk * chunk for frame in range(37)]
    seen = [[begin - left <= key < begin + chunk + right for key in range(37)] for begin in first]
    pairs = attention_mask(LENGTHS, jnp.array(seen))
    cotangent = random_like(x, seed=2)
    full = partial(SelfAttention(HEADS).apply, mask=pairs, positions=relative_positions(36, 36, WIDTH))
    want, backward = jax.vjp(jax.jit(full), params, x)
    got, backward_by_blocks = jax.vjp(jax.jit(partial(module.apply, mask=mask, positions=positions)), params, x)
    np.testing.assert_allclose(got, want, atol=2e-5)
    for a, b in zip(jax.tree.leaves(backward_by_blocks(cotangent)), jax.tree.leaves(backward(cotangent)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-4)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("own", [False, True], ids=["shared projections", "own projections"])
def test_global_frames_against_loops(own):
    left, right = 3, 2
    module, params, x, mask, positions = make((left, right), global_frames=2, global_spacing=3, global_projections=own)
    got = jax.jit(module.apply)(params, x, mask, positions)

    p = jax.tree.map(lambda a: np.asarray(a, np.float64), params["params"])
    xs = np.asarray(x, np.float64)

    def project(name):
        return (xs @ p[name]["kernel"] + p[name]["bias"]).reshape(3, 37, HEADS, -1)

    near = [project(name) for name in ("query", "key", "value")]
    far = [project(f"global_{name}") for name in ("query", "key", "value")] if own else near
    position = (np.asarray(positions, np.float64) @ p["position"]["kernel"]).reshape(-1, HEADS, WIDTH // HEADS)
    want = np.zeros_like(near[0])
    for b, length in enumerate(LENGTHS.tolist()):
        anchors = [g for g in (0, 3) if g < length]
        for t in range(length):
            for h in range(HEADS):
                if t in anchors:
                    scores = [far[0][b, t, h] @ far[1][b, s, h] for s in range(length)]
                    values = far[2][b, :length, h]
                else:
                    seen = range(max(0, t - left), min(length, t + right + 1))
                    query = near[0][b, t, h]
                    scores = [
                        (query + p["bias_u"][h]) @ near[1][b, s, h]
                        + (query + p["bias_v"][h]) @ position[left - (t - s), h]
                        for s in seen
                    ] + [far[0][b, t, h] @ far[1][b, g, h] for g in anchors]
                    values = np.stack([near[2][b, s, h] for s in (*seen, *anchors)])
                weights = np.exp(np.array(scores) / np.sqrt(WIDTH // HEADS))
                want[b, t, h] = weights @ values / weights.sum()
    want = want.reshape(3, 37, WIDTH) @ p["out"]["kernel"] + p["out"]["bias"]
    np.testing.assert_allclose(got, want, atol=2e-5)


@pytest.mark.usefixtures("blocks")
def test_dropout_differs_between_groups_and_keeps_the_mean():
    module, params, x, mask, positions = make((3, 2), dropout=0.5)
    same = jnp.broadcast_to(x[:1, :1], x.shape)  # all frames are equal, so that only dropout makes outputs differ
    draws = jax.vmap(lambda key: module.apply(params, same, mask, positions, train=True, rngs={"dropout": key}))
    out = draws(jax.random.split(jax.random.key(0), 2000))
    assert len(np.unique(np.asarray(out[0, 0, :, 0]).round(4))) > 20
    np.testing.assert_allclose(out.mean(0), module.apply(params, same, mask, positions), atol=0.3)
