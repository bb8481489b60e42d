"""Tests extended floats against Python's exact fractions."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np

from jaxspeech.losses import extended


def exact(x):
    return [Fraction(float(m)) * Fraction(2) ** int(e) for m, e in zip(x.mantissa, x.exponent, strict=True)]


def test_sums_and_products_are_right_to_one_rounding():
    rng = np.random.default_rng(0)
    x, y, z = (extended.from_log(jnp.asarray(rng.uniform(-3000, 0, 500), jnp.float32)) for _ in range(3))
    y = y._replace(exponent=x.exponent + rng.integers(-30, 30, 500))  # close enough for both terms to contribute
    for found, a, b, c in zip(exact(extended.add(x, y, z)), exact(x), exact(y), exact(z), strict=True):
        assert abs(found / (a + b + c) - 1) < 2e-7
    for found, a, b in zip(exact(extended.multiply(x, y)), exact(x), exact(y), strict=True):
        assert abs(found / (a * b) - 1) < 1e-7


def test_logarithms_round_trip_and_zero_stays_zero():
    logs = jnp.array([0.0, -1e-6, -87.5, -1e6, -jnp.inf, -1e30])
    found = extended.to_log(extended.from_log(logs))
    np.testing.assert_allclose(found, [0, -1e-6, -87.5, -1e6, -np.inf, -np.inf], rtol=1e-6, atol=1e-7)
    nothing = extended.zeros((3,))
    for _ in range(100):  # no overflow of the exponent
        nothing = extended.multiply(extended.add(nothing, nothing), nothing)
    assert np.all(extended.to_log(nothing) == -np.inf) and not extended.to_float(nothing).any()
