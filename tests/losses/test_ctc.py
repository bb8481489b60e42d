"""Tests the CTC loss against enumeration and a float64 recursion, and with padding, infeasible rows and NaN."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.ctc import ctc_loss
from tests.losses.oracles import enumerate_ctc, recursive_ctc

ROWS, FRAMES, LABELS, SYMBOLS = 6, 14, 6, 4  # most tests pad to this shape, so that they share one compilation


@partial(jax.jit, static_argnames="blank_id")
def _compiled(logits, num_frames, labels, num_labels, weights, blank_id):
    def total(logits):
        losses = ctc_loss(logits, num_frames, labels, num_labels, blank_id=blank_id)
        return (weights * losses).sum(), losses

    return jax.grad(total, has_aux=True)(logits)


def value_and_grad(logits, num_frames, labels, num_labels, *, blank_id, weights=None, padding=np.nan):
    """Computes losses and gradients of a batch, padded with `padding` and filler rows to the common shape."""
    labels = np.asarray(labels, np.int32)
    rows, frames, _ = logits.shape
    fill = [(0, ROWS - rows), (0, max(FRAMES - frames, 0)), (0, 0)]
    padded = np.pad(np.asarray(logits), fill, constant_values=padding)
    labels = np.pad(labels, [(0, ROWS - rows), (0, max(LABELS - labels.shape[1], 0))], constant_values=10**6)
    lengths = [np.pad(np.asarray(x, np.int32), (0, ROWS - rows)) for x in (num_frames, num_labels)]
    weights = np.pad(np.asarray(np.ones(rows) if weights is None else weights, np.float32), (0, ROWS - rows))
    grads, losses = _compiled(padded, lengths[0], labels, lengths[1], weights, blank_id)
    grads = np.asarray(grads.astype(jnp.float32))
    assert not grads[rows:].any() and not grads[:, frames:].any()
    return np.asarray(losses)[:rows], grads[:rows, :frames]


@pytest.mark.parametrize("blank_id", [0, 1, 3])
def test_equals_enumeration(blank_id):
    rng = np.random.default_rng(blank_id)
    a, b, c = (k for k in range(4) if k != blank_id)
    labels = np.array([[a, b, c], [a, a, b], [c, c, c], [b, 77, -5], [9, 9, 9], [a, b, a]])
    num_labels = np.array([3, 3, 3, 1, 0, 3])
    num_frames = np.array([5, 4, 5, 5, 3, 3])
    logits = rng.normal(size=(6, 5, 4)).astype(np.float32) * 2
    losses, grads = value_and_grad(logits, num_frames, labels, num_labels, blank_id=blank_id)
    for i, (frames, count) in enumerate(zip(num_frames, num_labels, strict=True)):
        loss, grad = enumerate_ctc(logits[i, :frames], labels[i, :count], blank_id)
        np.testing.assert_allclose(losses[i], loss, rtol=2e-6)
        np.testing.assert_allclose(grads[i, :frames], grad, atol=2e-6)
        assert not grads[i, frames:].any()


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_long_utterances_stay_accurate(scale):
    """The loss is in the tens of thousands, where float32 logarithms are too coarse for the occupancies."""
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(2, 2000, 30)) * scale).astype(np.float32)
    labels = rng.integers(0, 29, size=(2, 300))
    num_frames, num_labels = np.array([2000, 1500]), np.array([300, 120])
    grads, losses = _compiled(logits, num_frames, labels, num_labels, np.ones(2, np.float32), 29)
    for i, (frames, count) in enumerate(zip(num_frames, num_labels, strict=True)):
        loss, grad = recursive_ctc(logits[i, :frames], labels[i, :count], 29)
        np.testing.assert_allclose(losses[i], loss, rtol=1e-6)
        np.testing.assert_allclose(grads[i, :frames], grad, atol=3e-5)


def test_a_confident_wrong_model_keeps_its_gradient():
    """All feasible paths have probability e^-6000 and the greedy path 1: plain scaling would underflow."""
    labels = np.arange(6)[None] % 2
    logits = np.zeros((1, 6, 4), np.float32)
    logits[..., 3] = 1000.0
    losses, grads = value_and_grad(logits, [6], labels, [6], blank_id=3)
    np.testing.assert_allclose(losses, [6000.0], rtol=1e-6)
    np.testing.assert_allclose(grads[0, :, 3], 1.0, atol=1e-6)
    np.testing.assert_allclose(grads[0, np.arange(6), labels[0]], -1.0, atol=1e-6)


def test_infeasible_rows_are_inf_with_zero_gradient_and_do_not_affect_other_rows():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6, 4, 4)).astype(np.float32)
    labels = np.array([[0, 0, 1], [0, 1, 2], [0, 0, 0], [1, 0, 0], [1, 0, 0], [12, 0, 0]])
    num_labels = np.array([3, 3, 3, 1, 0, 1])
    num_frames = np.array([4, 2, 4, 0, 0, 4])
    losses, grads = value_and_grad(logits, num_frames, labels, num_labels, blank_id=3)
    np.testing.assert_array_equal(np.isinf(losses), [False, True, True, True, False, True])
    assert losses[4] == 0.0  # an empty transcript of no frames has probability 1
    assert not grads[1:].any()
    np.testing.assert_allclose(losses[0], enumerate_ctc(logits[0], labels[0], 3)[0], rtol=1e-6)
    np.testing.assert_allclose(grads[0], enumerate_ctc(logits[0], labels[0], 3)[1], atol=1e-6)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e38])
def test_padding_may_hold_anything(garbage):
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(2, 14, 4)).astype(np.float32)
    clean = value_and_grad(logits, [9, 5], [[0, 1, 1, 2, 0], [2, 1, 0, 0, 0]], [4, 2], blank_id=3, padding=0)
    logits[0, 9:], logits[1, 5:] = garbage, garbage
    dirty = value_and_grad(
        logits, [9, 5], [[0, 1, 1, 2, -7], [2, 1, 3, -1, 10**6]], [4, 2], blank_id=3, padding=garbage
    )
    np.testing.assert_array_equal(dirty[0], clean[0])
    np.testing.assert_array_equal(dirty[1], clean[1])
    assert not dirty[1][0, 9:].any() and not dirty[1][1, 5:].any()


def test_never_negative_when_the_transcript_is_nearly_certain():
    """The probabilities of the paths sum to almost one, and with float32 rounding sometimes to more."""
    rows = 2000
    logits = np.random.default_rng(9).uniform(5, 20, size=(rows, 2, 2)).astype(np.float32) * [1, -1]
    lengths = np.full(rows, 2), np.zeros((rows, 1), np.int32), np.ones(rows, np.int32)
    losses = np.asarray(ctc_loss(logits.astype(np.float32), *lengths, blank_id=1))
    assert (losses >= 0).all() and (losses < 1e-6).all() and (losses == 0).any()
    assert not np.signbit(losses).any()


def test_forbidden_symbols_and_broken_logits():
    """A logit of -inf excludes a symbol; NaN among the real logits must give a loss of NaN."""
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(3, 5, 4)).astype(np.float32)
    logits[0, 2, 1] = -np.inf
    logits[1, :, 0] = -np.inf
    logits[2, 3, 2] = np.nan
    losses, grads = value_and_grad(logits, [5] * 3, [[0, 1]] * 3, [2] * 3, blank_id=3)
    expected = enumerate_ctc(logits[0], [0, 1], 3)
    np.testing.assert_allclose(losses[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(grads[0], expected[1], atol=1e-6)
    assert losses[1] == np.inf and not grads[1].any()
    assert np.isnan(losses[2])


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_low_precision_logits_are_computed_in_float32(dtype):
    rng = np.random.default_rng(4)
    logits = jnp.asarray(rng.normal(size=(3, 14, 4)), dtype)
    args = ([14, 12, 9], rng.integers(0, 3, size=(3, 4)), [4, 3, 4])
    low = value_and_grad(logits, *args, blank_id=3)
    full = value_and_grad(logits.astype(jnp.float32), *args, blank_id=3)
    np.testing.assert_array_equal(low[0], full[0])
    np.testing.assert_array_equal(low[1], full[1].astype(dtype).astype(np.float32))  # rounded once, at the end


def test_cotangents_scale_each_row():
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(3, 8, 4)).astype(np.float32)
    args = ([8, 8, 8], rng.integers(0, 3, size=(3, 3)), [3, 2, 1])
    _, plain = value_and_grad(logits, *args, blank_id=3)
    _, scaled = value_and_grad(logits, *args, blank_id=3, weights=[0.5, 0.0, -2.0])
    np.testing.assert_allclose(scaled, plain * np.array([0.5, 0, -2])[:, None, None], atol=1e-6)


def test_vmap_adds_an_axis():
    rng = np.random.default_rng(6)
    logits = jnp.asarray(rng.normal(size=(2, ROWS, FRAMES, SYMBOLS)), jnp.float32)
    labels = jnp.asarray(rng.integers(0, 3, size=(2, ROWS, LABELS)), jnp.int32)
    num_frames = jnp.asarray(rng.integers(10, 15, size=(2, ROWS)), jnp.int32)
    num_labels = jnp.asarray(rng.integers(0, 6, size=(2, ROWS)), jnp.int32)
    args = (logits, num_frames, labels, num_labels, jnp.ones((2, ROWS)))
    grads, losses = jax.vmap(partial(_compiled, blank_id=3))(*args)
    for i in range(2):
        grad, loss = _compiled(*(x[i] for x in args), 3)
        np.testing.assert_allclose(losses[i], loss, rtol=1e-6)
        np.testing.assert_allclose(grads[i], grad, atol=1e-6)


def test_eager_equals_jit():
    rng = np.random.default_rng(8)
    logits = jnp.asarray(rng.normal(size=(1, 2, 2)), jnp.float32)
    args = (jnp.array([2]), jnp.array([[0]]), jnp.array([1]))
    with jax.disable_jit():
        eager = ctc_loss(logits, *args, blank_id=1)
    np.testing.assert_allclose(eager[0], enumerate_ctc(logits[0], [0], 1)[0], rtol=1e-6)


def test_finite_differences():
    """Compares along random directions, in x64; the loss itself is float32, hence the large step."""
    rng = np.random.default_rng(7)
    with jax.enable_x64(True):
        logits = jnp.asarray(rng.normal(size=(2, 6, 4)))
        args = (jnp.array([6, 5]), jnp.asarray(rng.integers(0, 3, size=(2, 2))), jnp.array([2, 1]))

        def loss(x):
            return ctc_loss(x, *args, blank_id=3).sum()

        grad = jax.grad(loss)(logits)
        assert grad.dtype == jnp.float64
        for _ in range(5):
            direction = rng.normal(size=logits.shape)
            slope = (loss(logits + 5e-3 * direction) - loss(logits - 5e-3 * direction)) / 1e-2
            np.testing.assert_allclose(slope, (grad * direction).sum(), atol=2e-3)


@pytest.mark.parametrize("frames, labels", [(0, 3), (5, 0), (0, 0)])
def test_empty_axes(frames, labels):
    lengths = np.full(2, frames), np.zeros((2, labels), np.int32), np.full(2, labels)
    losses = ctc_loss(np.zeros((2, frames, 4), np.float32), *lengths, blank_id=3)
    np.testing.assert_allclose(losses, np.full(2, np.inf if labels else frames * np.log(4)), rtol=1e-6)
