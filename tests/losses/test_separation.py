"""Tests the matching of separated sources with their targets against all orders, tried one by one."""

import itertools

import jax
import numpy as np
import pytest

from jaxspeech.losses.sdr import sdr_loss, signal_to_distortion
from jaxspeech.losses.separation import match_targets, pairwise

SAMPLES = np.array([50, 31])


def negative(estimates, targets, num_samples):
    return -signal_to_distortion(estimates, targets, num_samples, scale_invariant=True)


@pytest.mark.parametrize("sources", [2, 7])
def test_the_order_with_the_least_loss_is_found(sources):
    rng = np.random.default_rng(sources)
    targets = rng.normal(size=(2, sources, 50)).astype(np.float32)
    targets[1, -1] = 0  # Nobody speaks: it changes nothing for the others.
    true = np.stack([rng.permutation(sources) for _ in range(2)])
    noisy = targets + 0.5 * rng.normal(size=targets.shape).astype(np.float32)
    estimates = np.take_along_axis(noisy, true[..., None], 1)

    @jax.jit
    def run(x):
        matched, order = match_targets(negative, x, targets, SAMPLES)
        return matched, order, pairwise(negative, x, targets, SAMPLES), sdr_loss(x, matched, SAMPLES)

    matched, order, losses, _ = run(estimates)
    np.testing.assert_array_equal(matched, np.take_along_axis(targets, np.asarray(order)[..., None], 1))
    if sources < 7:
        orders = list(itertools.permutations(range(sources)))
        for row, found in zip(np.asarray(losses, np.float64), np.asarray(order), strict=True):
            totals = [row[np.arange(sources), p].sum() for p in orders]
            assert tuple(found) == orders[int(np.argmin(totals))]
    np.testing.assert_array_equal(order, true)
    # Each pair by itself.
    np.testing.assert_allclose(
        losses[1, 0, 1], negative(estimates[1:, :1], targets[1:, 1:2], SAMPLES[1:])[0, 0], rtol=1e-4
    )
