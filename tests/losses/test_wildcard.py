"""W-Transducer losses: every path in float64 with finite differences; a long recursion; in blocks; with padding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.losses.transducer import rnnt_loss, tdt_loss
from jaxspeech.losses.transducer_joint import rnnt_joint_loss
from tests.losses.oracles import log_softmax
from tests.losses.oracles_transducer import QUICK_COMPILE, rnnt_symbols, tdt_symbols

NUM_FRAMES, NUM_LABELS = np.array([4, 3, 1, 0]), np.array([2, 0, 2, 1])
LABELS = np.array([[1, 2], [10**6, -1], [0, 0], [1, 10**6]])
RNNT = rnnt_loss, {"blank_id": 3}, rnnt_symbols(3), 4, 0
TDT = tdt_loss, {"blank_id": 3, "durations": (0, 1, 2)}, tdt_symbols(3, (0, 1, 2), 4), 7, 3
CASES = {
    "rnnt, last blank": (*RNNT, {"wildcard": "force_final", "wildcard_weight": -0.7}),
    "rnnt, no last blank": (*RNNT, {"wildcard": "allow_ignore"}),
    "tdt, last blank": (*TDT, {"wildcard": "force_final", "wildcard_weight": 0.2}),
}


def paths_from(t, u, frames, labels, symbols, mode):
    """Yields every path from (t, u) to the end: its steps (t, u, symbol), and whether it skips frames at the end."""
    if (t, u) == (frames, labels):
        yield [], 0
        return
    if t >= frames:
        return
    for symbol in symbols:
        there = t + symbol.frames, u + symbol.labels
        last = there == (frames, labels) and symbol.labels == 0
        if last or (there[0] < frames and there[1] <= labels):
            for rest, skips in paths_from(*there, frames, labels, symbols, mode):
                yield [(t, u, symbol), *rest], skips
    if u == labels and t < frames - 1:
        if mode == "allow_ignore":
            yield [], 1
        else:
            for rest, _ in paths_from(frames - 1, u, frames, labels, symbols, mode):
                yield rest, 1


def by_every_path(logits, labels, symbols, num_durations, wildcard, wildcard_weight=0.0):
    """-log of the sum over all paths of one utterance [T, U+1, W], in float64."""
    logits = np.asarray(logits, np.float64)
    tokens = logits.shape[-1] - num_durations
    parts = [logits[..., :tokens], logits[..., tokens:]][: 1 + bool(num_durations)]
    log_probs = np.concatenate([log_softmax(part) for part in parts], -1)
    frames, totals = len(logits), []
    for start in range(frames):
        for path, skips in paths_from(start, 0, frames, len(labels), symbols, wildcard):
            steps = [log_probs[t, u, labels[u] if c is None else c] for t, u, s in path for c in s.columns]
            totals.append(sum(steps) + wildcard_weight * (skips + (start > 0)))
    return -np.logaddexp.reduce(totals) if totals else np.inf


@partial(jax.jit, static_argnums=(0, 1), compiler_options=QUICK_COMPILE)
def losses_and_gradient(loss, options, logits, weights):
    """The losses, and the gradient of their weighted sum by the logits."""

    def total(logits):
        losses = loss(logits, NUM_FRAMES, LABELS, NUM_LABELS, **dict(options))
        return jnp.where(jnp.isfinite(losses), weights * losses, 0).sum(), losses

    gradient, losses = jax.grad(total, has_aux=True)(logits)
    return losses, gradient


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_the_sum_over_all_paths(case):
    loss, options, symbols, width, num_durations, wildcard = case
    rng = np.random.default_rng(0)
    logits = (2 * rng.normal(size=(4, 4, 3, width))).astype(np.float32)
    for row, (frames, count) in enumerate(zip(NUM_FRAMES, NUM_LABELS, strict=True)):
        logits[row, frames:], logits[row, :, count + 1 :] = np.nan, np.inf

    options = tuple((options | wildcard).items())
    losses, gradient = losses_and_gradient(loss, options, logits, np.ones(4, np.float32))
    for row, (frames, count) in enumerate(zip(NUM_FRAMES, NUM_LABELS, strict=True)):
        real = np.asarray(logits[row, :frames, : count + 1], np.float64)
        expected = partial(
            by_every_path, labels=LABELS[row, :count], symbols=symbols, num_durations=num_durations, **wildcard
        )
        np.testing.assert_allclose(losses[row], expected(real), rtol=3e-6, atol=1e-6)
        slopes = np.zeros_like(real)
        for place in np.ndindex(real.shape):
            step = np.zeros_like(real)
            step[place] = 1e-5
            slopes[place] = (expected(real + step) - expected(real - step)) / 2e-5
        np.testing.assert_allclose(gradient[row, :frames, : count + 1], slopes, atol=3e-6)
        assert not np.asarray(gradient[row, frames:]).any() and not np.asarray(gradient[row, :, count + 1 :]).any()


def test_of_a_long_utterance_equals_a_recursion_in_float64():
    """The sums over all frames neither overflow nor lose small terms."""
    frames, count, weight = 300, 12, -0.2
    rng = np.random.default_rng(1)
    logits = (3 * rng.normal(size=(1, frames, count + 1, 4))).astype(np.float32)
    labels = rng.integers(0, 3, (1, count))
    log_probs = log_softmax(logits[0])
    beta = np.full((frames + 1, count + 2), -np.inf)
    beta[frames, count] = 0
    for t, u in reversed(list(np.ndindex(frames, count + 1))):
        label = log_probs[t, u, labels[0, u]] if u < count else -np.inf
        beta[t, u] = np.logaddexp(beta[t + 1, u] + log_probs[t, u, 3], beta[t, u + 1] + label)
        if u == count and t < frames - 1:
            beta[t, u] = np.logaddexp(beta[t, u], beta[frames - 1, u] + weight)
    total = np.logaddexp(beta[0, 0], weight + np.logaddexp.reduce(beta[1:frames, 0]))

    def compute(logits):
        options = {"blank_id": 3, "wildcard": "force_final", "wildcard_weight": weight}
        return rnnt_loss(logits, np.array([frames]), labels, np.array([count]), **options)[0]

    loss, gradient = jax.jit(jax.value_and_grad(compute), compiler_options=QUICK_COMPILE)(logits)
    np.testing.assert_allclose(loss, -total, rtol=1e-5)
    # A path emits each label once; before and after them it may skip any frame.
    softmax, passing = np.exp(log_probs), np.zeros((frames, count + 1))
    gradient = np.asarray(gradient[0], np.float64)
    for u in range(count):
        other = next(k for k in range(3) if k != labels[0, u])
        passing[:, u] = gradient[:, u, other] / softmax[:, u, other]
        taken = passing[:, u] * softmax[:, u, labels[0, u]] - gradient[:, u, labels[0, u]]
        np.testing.assert_allclose(taken.sum(), 1, rtol=1e-4)


def test_blocks_of_a_joint_network_give_the_gradients_of_all_its_logits():
    loss, options, _, width, _, wildcard = CASES["rnnt, last blank"]
    rng = np.random.default_rng(2)
    shapes = (4, 4, 5), (4, 3, 5), (5, width), (width,)
    encoded, predicted, kernel, bias = joint = tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)
    weights = np.array([1.0, -0.5, 2.0, 0.0], np.float32)

    def in_blocks(joint):
        lengths = NUM_FRAMES, LABELS, NUM_LABELS
        losses = rnnt_joint_loss(*joint, *lengths, activation="tanh", block_frames=3, **options, **wildcard)
        return jnp.where(jnp.isfinite(losses), weights * losses, 0).sum(), losses

    found, losses = jax.jit(jax.grad(in_blocks, has_aux=True), compiler_options=QUICK_COMPILE)(joint)
    hidden = np.tanh(encoded[:, :, None] + predicted[:, None])
    logits = (hidden @ kernel + bias).astype(np.float32)
    expected, gradient = losses_and_gradient(loss, tuple((options | wildcard).items()), logits, weights)
    before = (gradient @ kernel.T) * (1 - hidden**2)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for x, y in zip(
        found,
        (before.sum(2), before.sum(1), np.einsum("btnj,btnw->jw", hidden, gradient), gradient.sum((0, 1, 2))),
        strict=True,
    ):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-5)


def test_refuses_an_unknown_mode_and_an_infinite_weight():
    inputs = np.zeros((1, 2, 2, 4), np.float32), np.array([2]), np.array([[1]]), np.array([1])
    with pytest.raises(ConfigError, match='unknown wildcard "force_finall"; did you mean "force_final"'):
        rnnt_loss(*inputs, blank_id=3, wildcard="force_finall")
    with pytest.raises(ConfigError, match="wildcard_weight -inf"):
        rnnt_loss(*inputs, blank_id=3, wildcard="force_final", wildcard_weight=-np.inf)
