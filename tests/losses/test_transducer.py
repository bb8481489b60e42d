"""Tests transducer losses from logits against path enumeration in float64, and with padding, empty rows and NaN."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.losses.transducer import multiblank_rnnt_loss, rnnt_loss, tdt_loss
from tests.losses.oracles_transducer import (
    QUICK_COMPILE,
    enumerate_paths,
    multiblank_symbols,
    recursive_rnnt,
    rnnt_symbols,
    tdt_symbols,
)

ROWS, FRAMES, LABELS = 4, 5, 3  # most tests pad to this shape, so that they share compilations

# Loss, its options, the oracle's options, number of logits. Labels are below 3.
RNNT = rnnt_loss, dict(blank_id=3), dict(symbols=rnnt_symbols(3)), 4
MULTIBLANK = (
    multiblank_rnnt_loss,
    dict(blank_id=5, big_blank_durations=(2, 4), sigma=0.05),
    dict(symbols=multiblank_symbols(5, (2, 4)), sigma=0.05),
    6,
)
TDT = (
    tdt_loss,
    dict(blank_id=3, durations=(0, 1, 2), sigma=0.05),
    dict(symbols=tdt_symbols(3, (0, 1, 2), 4), num_durations=3, sigma=0.05),
    7,
)
CASES = {"rnnt": RNNT, "multiblank": MULTIBLANK, "tdt": TDT}
every_loss = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK_COMPILE)
def _compiled(loss, options, weights, logits, num_frames, labels, num_labels):
    def total(logits):
        losses = loss(logits, num_frames, labels, num_labels, **dict(options))
        return (weights * jnp.where(weights == 0, 0, losses)).sum(), losses

    return jax.grad(total, has_aux=True)(logits)


def value_and_grad(loss, options, logits, num_frames, labels, num_labels, *, weights=None, padding=np.nan):
    """Computes losses and gradients of a batch, padded with `padding` and empty rows to the common shape."""
    rows, frames, places, _ = logits.shape
    fill = [(0, max(size - x, 0)) for size, x in ((ROWS, rows), (FRAMES, frames), (LABELS + 1, places))]
    padded = np.pad(np.asarray(logits), [*fill, (0, 0)], constant_values=padding)
    lengths = [np.pad(np.asarray(x, np.int32), fill[0]) for x in (num_frames, num_labels)]
    labels = np.pad(np.asarray(labels, np.int32), [fill[0], fill[2]], constant_values=10**6)
    weights = np.pad(np.asarray(np.ones(rows) if weights is None else weights, np.float32), fill[0])
    args = weights, padded, lengths[0], labels, lengths[1]
    grads, losses = _compiled(loss, tuple(options.items()), *args)
    grads = np.asarray(grads.astype(jnp.float32))
    outside = np.ones(grads.shape, bool)
    outside[:rows, :frames, :places] = False
    assert not grads[outside].any()
    return np.asarray(losses)[:rows], grads[:rows, :frames, :places]


def random_batch(rng, width, *, scale=1.5):
    logits = (rng.normal(size=(ROWS, FRAMES, LABELS + 1, width)) * scale).astype(np.float32)
    return logits, rng.integers(0, 3, size=(ROWS, LABELS))


def check(found, oracle, logits, num_frames, labels, num_labels, **tolerance):
    losses, grads = found
    for i, (frames, count) in enumerate(zip(num_frames, num_labels, strict=True)):
        loss, grad = enumerate_paths(logits[i, :frames, : count + 1], labels[i, :count], **oracle)
        np.testing.assert_allclose(losses[i], loss, rtol=2e-6)
        np.testing.assert_allclose(grads[i, :frames, : count + 1], grad, atol=3e-6, **tolerance)
        assert not grads[i, frames:].any() and not grads[i, :, count + 1 :].any()


@every_loss
@pytest.mark.parametrize("num_frames, num_labels", [([5, 4, 3, 5], [3, 2, 1, 0]), ([1, 2, 1, 5], [3, 3, 0, 1])])
def test_equals_enumeration(case, num_frames, num_labels):
    loss, options, oracle, width = case
    logits, labels = random_batch(np.random.default_rng(sum(num_frames)), width)
    found = value_and_grad(loss, options, logits, num_frames, labels, num_labels)
    check(found, oracle, logits, num_frames, labels, num_labels)


@pytest.mark.parametrize("durations", [(1,), (2, 1), (0, 1, 3), (0, 4, 1, 2)])
def test_tdt_with_any_durations(durations):
    """The durations may be in any order; without 0 or 1, only some transcripts have a path."""
    rng = np.random.default_rng(0)
    logits, labels = random_batch(rng, 4 + len(durations))
    num_frames, num_labels = [5, 4, 3, 1], [3, 2, 0, 1]
    found = value_and_grad(tdt_loss, dict(blank_id=3, durations=durations), logits, num_frames, labels, num_labels)
    oracle = dict(symbols=tdt_symbols(3, durations, 4), num_durations=len(durations))
    check(found, oracle, logits, num_frames, labels, num_labels)


def test_the_oracles_gradient_is_that_of_its_loss():
    """The enumeration's gradient equals finite differences of its loss, in float64."""
    rng = np.random.default_rng(1)
    for _, _, oracle, width in CASES.values():
        logits = rng.normal(size=(4, 3, width))
        _, grad = enumerate_paths(logits, [2, 0], **oracle)
        for _ in range(3):
            step = rng.normal(size=logits.shape) * 1e-5
            above, below = (enumerate_paths(logits + x, [2, 0], **oracle)[0] for x in (step, -step))
            np.testing.assert_allclose((above - below) / 2, (grad * step).sum(), rtol=1e-6)


@every_loss
def test_fastemit_weighs_labels_and_clamp_bounds_each_row_before_its_cotangent(case):
    loss, options, oracle, width = case
    logits, labels = random_batch(np.random.default_rng(2), width)
    lengths = [5, 4, 3, 2], labels, [3, 2, 1, 1]
    found = value_and_grad(loss, options | dict(fastemit=0.3, clamp=0.1), logits, *lengths, weights=[1, 0.5, -2, 0])
    for i, weight in enumerate([1, 0.5, -2, 0]):
        frames, count = lengths[0][i], lengths[2][i]
        expected, grad = enumerate_paths(logits[i, :frames, : count + 1], labels[i, :count], fastemit=0.3, **oracle)
        assert np.abs(grad).max() > 0.1
        np.testing.assert_allclose(found[0][i], expected, rtol=2e-6)
        np.testing.assert_allclose(found[1][i, :frames, : count + 1], weight * np.clip(grad, -0.1, 0.1), atol=3e-6)


@every_loss
def test_rows_without_a_path_are_inf_with_zero_gradient_and_do_not_affect_other_rows(case):
    loss, options, oracle, width = case
    logits, labels = random_batch(np.random.default_rng(3), width)
    labels[2, 0], labels[3, 0] = 77, -5
    losses, grads = value_and_grad(loss, options, logits, [5, 0, 4, 4], labels, [2, 0, 1, 1])
    np.testing.assert_array_equal(np.isinf(losses), [False, True, True, True])
    assert not grads[1:].any()
    check((losses[:1], grads[:1]), oracle, logits, [5], labels, [2])


def test_tdt_without_fitting_durations_is_inf():
    """Durations of 2 and 4 never end on an odd last frame."""
    logits, labels = random_batch(np.random.default_rng(4), 6)
    options = dict(blank_id=3, durations=(2, 4))
    losses, grads = value_and_grad(tdt_loss, options, logits, [5, 4, 3, 2], labels, [1, 1, 0, 0])
    np.testing.assert_array_equal(np.isinf(losses), [True, False, True, False])
    assert not grads[[0, 2]].any() and grads[1].any() and grads[3].any()


@every_loss
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf, 1e38])
def test_padding_may_hold_anything(case, garbage):
    loss, options, _, width = case
    logits, labels = random_batch(np.random.default_rng(5), width)
    num_frames, num_labels = [5, 3, 4, 1], [1, 3, 0, 2]
    clean = value_and_grad(loss, options, logits, num_frames, labels, num_labels)
    for i in range(ROWS):
        logits[i, num_frames[i] :], logits[i, :, num_labels[i] + 1 :] = garbage, garbage
        labels[i, num_labels[i] :] = -7 if i % 2 else 10**6
    dirty = value_and_grad(loss, options, logits, num_frames, labels, num_labels, padding=garbage)
    np.testing.assert_array_equal(dirty[0], clean[0])
    np.testing.assert_array_equal(dirty[1], clean[1])


@every_loss
def test_a_row_alone_equals_the_row_in_its_batch(case):
    loss, options, _, width = case
    logits, labels = random_batch(np.random.default_rng(6), width)
    num_frames, num_labels = [5, 3, 4, 2], [1, 3, 2, 0]
    losses, grads = value_and_grad(loss, options, logits, num_frames, labels, num_labels)
    for i, (t, u) in enumerate(zip(num_frames, num_labels, strict=True)):
        alone = value_and_grad(loss, options, logits[i : i + 1, :t, : u + 1], [t], labels[i : i + 1, :u], [u])
        np.testing.assert_allclose(alone[0][0], losses[i], rtol=1e-6)
        np.testing.assert_allclose(alone[1][0], grads[i, :t, : u + 1], atol=1e-6)


def test_long_utterances_stay_accurate():
    """The model is confidently wrong: every path has a probability around e^-9000."""
    rng = np.random.default_rng(7)
    frames, count = 300, 60
    logits = (rng.normal(size=(1, frames, count + 1, 8)) * 20).astype(np.float32)
    labels = rng.integers(0, 7, size=(1, count))
    args = np.ones(1, np.float32), logits, np.array([frames]), labels, np.array([count])
    grads, losses = _compiled(rnnt_loss, (("blank_id", 7),), *args)
    loss, grad = recursive_rnnt(logits[0], labels[0], 7)
    assert loss > 5000
    np.testing.assert_allclose(losses, [loss], rtol=1e-6)
    np.testing.assert_allclose(grads[0], grad, atol=1e-4)


def test_never_negative_when_the_transcript_is_nearly_certain():
    rows = 500
    logits = np.random.default_rng(9).uniform(5, 20, size=(rows, 2, 1, 2)).astype(np.float32) * [-1, 1]
    lengths = np.full(rows, 2), np.zeros((rows, 0), np.int32), np.zeros(rows, np.int32)
    losses = np.asarray(rnnt_loss(logits.astype(np.float32), *lengths, blank_id=1))
    assert (losses >= 0).all() and (losses < 1e-3).all() and not np.signbit(losses).any()


@every_loss
def test_forbidden_symbols_and_broken_logits(case):
    """A logit of -inf excludes a symbol; NaN among the real logits must give NaN in its own row only."""
    loss, options, oracle, width = case
    logits, labels = random_batch(np.random.default_rng(10), width)
    logits[0, 2, 1, 1] = -np.inf
    logits[1, 1, 0, 2] = np.nan
    logits[2, :, :, labels[2, 0]] = -np.inf
    losses, grads = value_and_grad(loss, options, logits, [4] * 4, labels, [2] * 4)
    assert np.isnan(losses[1]) and np.isnan(grads[1]).any()
    assert losses[2] == np.inf and not grads[2].any()
    for i in (0, 3):
        check((losses[i : i + 1], grads[i : i + 1]), oracle, logits[i : i + 1], [4], labels[i : i + 1], [2])


def test_bfloat16_logits_are_computed_in_float32():
    loss, options, _, width = TDT
    logits, labels = random_batch(np.random.default_rng(11), width)
    lengths = [5, 4, 3, 2], labels, [3, 2, 1, 1]
    logits = jnp.asarray(logits, jnp.bfloat16)
    low = value_and_grad(loss, options, logits, *lengths)
    full = value_and_grad(loss, options, np.asarray(logits, np.float32), *lengths)
    np.testing.assert_allclose(low[0], full[0], rtol=1e-6)
    np.testing.assert_allclose(low[1], full[1].astype(jnp.bfloat16).astype(np.float32), atol=4e-3)


@every_loss
def test_finite_differences(case):
    """Compares along random directions; the loss is float32, hence the large step (only the oracle is float64)."""
    loss, options, _, width = case
    rng = np.random.default_rng(13)
    logits, labels = random_batch(rng, width, scale=0.5)
    lengths = [5, 4, 3, 2], labels, [3, 2, 1, 1]
    _, grad = value_and_grad(loss, options, logits, *lengths)
    for _ in range(3):
        step = (5e-2 * rng.normal(size=logits.shape)).astype(np.float32)
        above, below = (value_and_grad(loss, options, x, *lengths)[0].sum() for x in (logits + step, logits - step))
        np.testing.assert_allclose((above - below) / 2, (grad * step).sum(), atol=2e-3)


def test_mistakes_are_one_line():
    logits, labels = random_batch(np.random.default_rng(14), 4)
    args = logits, np.array([5] * 4), labels, np.array([3] * 4)
    with pytest.raises(ConfigError, match=r"^blanks at \(4,\): the logits have 4 tokens"):
        rnnt_loss(*args, blank_id=4)
    with pytest.raises(ConfigError, match="none may be negative"):
        tdt_loss(*args, blank_id=1, durations=(0, -1))
    with pytest.raises(ConfigError, match="at least one must be positive"):
        tdt_loss(*args, blank_id=1, durations=(0,))
    with pytest.raises(ConfigError, match="at least 1 frame"):
        multiblank_rnnt_loss(*args, blank_id=3, big_blank_durations=(0,))
    with pytest.raises(ConfigError, match="sigma"):
        tdt_loss(*args, blank_id=1, durations=(0, 1), sigma=-1.0)
