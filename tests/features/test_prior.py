"""Tests the prior of alignments against SciPy's distribution in float64."""

import jax
import numpy as np
from scipy.stats import betabinom

from jaxspeech.features.prior import beta_binomial_prior


def test_a_long_a_short_and_an_empty_row():
    frames, symbols = np.array([900, 4, 1, 7]), np.array([160, 9, 1, 0])
    prior = jax.jit(beta_binomial_prior, static_argnums=(2, 3))(frames, symbols, 905, 165)
    for row, t, n in zip(np.asarray(prior), frames, symbols, strict=True):
        steps = np.arange(1, t + 1)[:, None]
        expected = betabinom.pmf(np.arange(n), n - 1, steps, t + 1 - steps) if n else np.zeros((t, 0))
        np.testing.assert_allclose(row[:t, :n], expected, rtol=1e-4, atol=1e-12)
        np.testing.assert_array_equal(row[t:], 0)
        np.testing.assert_array_equal(row[:, n:], 0)
