"""Compares loops with NumPy's sums, and looks at the steps in a turn of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.loops import UNROLLED, scan

STEPS = 2 * UNROLLED + 3


def running(values, *, reverse=False):
    def add(total, value):
        return total * 0.9 + value, jnp.sin(total)

    return scan(add, jnp.zeros(2), values, reverse=reverse)


@pytest.mark.parametrize("reverse", [False, True])
def test_steps_follow_one_another(reverse: bool) -> None:
    values = jax.random.normal(jax.random.key(0), (STEPS, 2))
    last, outputs = running(values, reverse=reverse)
    total, expected = np.zeros(2), np.zeros((STEPS, 2))
    for n in reversed(range(STEPS)) if reverse else range(STEPS):
        expected[n] = np.sin(total)
        total = total * 0.9 + np.asarray(values[n], np.float64)
    np.testing.assert_allclose(last, total, rtol=1e-5)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("platform", "several"), [("cpu", False), ("cuda", True), ("tpu", True)])
def test_a_turn_has_several_steps_on_accelerators(platform: str, several: bool) -> None:
    """There the inputs of two turns are taken apart from what is left of them."""
    text = jax.jit(running).trace(jnp.zeros((STEPS, 2))).lower(lowering_platforms=(platform,)).as_text()
    assert (f"tensor<2x{UNROLLED}x2xf32>" in text) == several
    assert text.count("stablehlo.while") == 1
