"""HAT losses: every path in float64 with finite differences; in blocks from a joint network; with padding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.transducer import rnnt_loss, tdt_loss
from jaxspeech.losses.transducer_joint import rnnt_joint_loss, tdt_joint_loss
from tests.losses.oracles_transducer import QUICK_COMPILE, rnnt_symbols, tdt_symbols, walk

NUM_FRAMES, NUM_LABELS = np.array([3, 2]), np.array([2, 1])
# The blank of the TDT stands between the labels and the durations.
CASES = {
    "rnnt": (rnnt_loss, rnnt_joint_loss, {"blank_id": 3}, rnnt_symbols(3), 4, 0),
    "tdt": (tdt_loss, tdt_joint_loss, {"blank_id": 3, "durations": (0, 1, 2)}, tdt_symbols(3, (0, 1, 2), 4), 7, 3),
}


def by_every_path(logits, labels, symbols, num_durations):
    """-log of the sum over all paths of one utterance [T, U+1, W], in float64."""
    logits = np.asarray(logits, np.float64)
    log_probs = logits.copy()
    blank = logits[..., 3]
    log_probs[..., 3] = -np.logaddexp(0, -blank)
    log_probs[..., :3] -= np.logaddexp.reduce(logits[..., :3], -1)[..., None] + np.logaddexp(0, blank)[..., None]
    if num_durations:
        log_probs[..., 4:] -= np.logaddexp.reduce(logits[..., 4:], -1)[..., None]
    totals = [
        sum(log_probs[t, u, labels[u] if column is None else column] for t, u, s in path for column in s.columns)
        for path in walk(len(logits), len(labels), symbols)
    ]
    return -np.logaddexp.reduce(totals)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_the_sum_over_all_paths(case):
    loss, _, options, symbols, width, num_durations = case
    rng = np.random.default_rng(0)
    logits = (2 * rng.normal(size=(2, 3, 3, width))).astype(np.float32)
    logits[1, 2:], logits[1, :, 2:] = np.nan, np.inf  # padding
    labels = np.array([[1, 2], [0, 10**6]])

    def compute(logits):
        losses = loss(logits, NUM_FRAMES, labels, NUM_LABELS, hat=True, **options)
        return losses.sum(), losses

    gradient, losses = jax.jit(jax.grad(compute, has_aux=True), compiler_options=QUICK_COMPILE)(logits)
    for row, (frames, count) in enumerate(zip(NUM_FRAMES, NUM_LABELS, strict=True)):
        real = np.asarray(logits[row, :frames, : count + 1], np.float64)
        expected = partial(by_every_path, labels=labels[row, :count], symbols=symbols, num_durations=num_durations)
        np.testing.assert_allclose(losses[row], expected(real), rtol=2e-6)
        slopes = np.zeros_like(real)
        for place in np.ndindex(real.shape):
            step = np.zeros_like(real)
            step[place] = 1e-5
            slopes[place] = (expected(real + step) - expected(real - step)) / 2e-5
        np.testing.assert_allclose(gradient[row, :frames, : count + 1], slopes, atol=3e-6)
    assert not np.asarray(gradient[1, 2:]).any() and not np.asarray(gradient[1, :, 2:]).any()
    plain = loss(np.nan_to_num(logits), NUM_FRAMES, labels, NUM_LABELS, **options)
    assert np.abs(plain - losses).max() > 0.1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_blocks_give_the_gradients_of_all_logits_at_once(case):
    loss, joint_loss, options, _, width, _ = case
    rng = np.random.default_rng(1)
    shapes = (2, 3, 5), (2, 3, 5), (5, width), (width,)
    joint = tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)
    lengths = NUM_FRAMES, np.array([[1, 2], [0, 0]]), NUM_LABELS
    weights = np.array([1.0, -0.5], np.float32)

    def at_once(encoded, predicted, kernel, bias):
        logits = jnp.tanh(encoded[:, :, None] + predicted[:, None]) @ kernel + bias
        return (weights * loss(logits, *lengths, hat=True, **options)).sum()

    def in_blocks(*joint):
        found = joint_loss(*joint, *lengths, hat=True, activation="tanh", block_frames=2, **options)
        return (weights * found).sum()

    found, expected = (
        jax.jit(jax.value_and_grad(f, argnums=(0, 1, 2, 3)), compiler_options=QUICK_COMPILE)(*joint)
        for f in (in_blocks, at_once)
    )
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5), found, expected)
