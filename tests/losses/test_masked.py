"""Tests the losses of masked prediction against NumPy, whatever is masked."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.masked import masked_nll, masked_nll_of_frames

B, N, D, V, H = 3, 10, 4, 7, 2
RNG = np.random.default_rng(0)
ENCODED, KERNEL = (jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in ((B, N, D), (D, V * H)))
IDS = jnp.asarray(RNG.integers(0, V, (B, N, H)), jnp.int32)
SELECTED = {
    "some": RNG.random((B, N)) < 0.4,
    "one row": np.arange(N) < np.array([[N], [0], [0]]),
    "nothing": np.zeros((B, N), bool),
    "everything": np.ones((B, N), bool),
}


def logits_of(encoded, kernel):
    return (encoded @ kernel).reshape(*encoded.shape[:2], V, H)


def all_at_once(encoded, kernel, selected):
    return masked_nll(logits_of(encoded, kernel), IDS, selected)


def in_blocks(encoded, kernel, selected):
    return masked_nll_of_frames(lambda part: logits_of(part, kernel), encoded, IDS, selected, blocks=4)


def by_hand(selected):
    log_probs = np.asarray(logits_of(ENCODED, KERNEL), np.float64)
    log_probs -= np.log(np.exp(log_probs).sum(2, keepdims=True))
    losses, correct = np.zeros(B), np.zeros(B)
    for b, n in zip(*np.nonzero(selected), strict=True):
        for h in range(H):
            losses[b] -= log_probs[b, n, IDS[b, n, h], h] / H
            correct[b] += (log_probs[b, n, :, h].argmax() == IDS[b, n, h]) / H
    return losses, correct, selected.sum(1)


SUMS = {f: jax.jit(f) for f in (all_at_once, in_blocks)}
GRADIENTS = {
    f: jax.jit(jax.grad(lambda *args, f=f: f(*args).losses.sum(), argnums=(0, 1))) for f in (all_at_once, in_blocks)
}


@pytest.mark.parametrize("kind", SELECTED)
def test_sums_and_gradients(kind):
    selected = jnp.asarray(SELECTED[kind])
    # What is not selected may hold anything.
    spoiled = jnp.where(selected[:, :, None], ENCODED, jnp.nan)
    for sums in SUMS.values():
        for found, expected in zip(sums(spoiled, KERNEL, selected), by_hand(SELECTED[kind]), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    gradients = [gradient(ENCODED, KERNEL, selected) for gradient in GRADIENTS.values()]
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    for part in GRADIENTS[in_blocks](spoiled, KERNEL, selected):
        assert np.isfinite(part).all()
    assert not np.any(np.asarray(gradients[0][0])[~SELECTED[kind]])


def test_blocks_without_a_selected_frame_are_not_computed():
    """Their logits would be the largest part of the step."""
    seen = []

    def score(part):
        jax.debug.callback(lambda: seen.append(part.shape))
        return logits_of(part, KERNEL)

    selected = jnp.asarray(np.arange(N) < np.array([[2], [7], [1]]))
    jax.jit(lambda: masked_nll_of_frames(score, ENCODED, IDS, selected[:, ::-1], blocks=4).losses)()
    jax.effects_barrier()
    assert seen == [(1, 8, D)] * 2
