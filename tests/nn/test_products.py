import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.initializers import dense
from jaxspeech.nn.products import einsum, products_in


def rounded(x: jax.Array) -> np.ndarray:
    return np.asarray(jnp.asarray(x, jnp.bfloat16), np.float64)


def factors() -> tuple[jax.Array, jax.Array]:
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.normal(size=(3, 40, 64)), jnp.float32), jnp.asarray(rng.normal(size=(64, 48)), jnp.float32)


def test_operands_are_rounded_and_sums_are_not() -> None:
    x, kernel = factors()
    expected = rounded(x) @ rounded(kernel)
    with products_in(jnp.bfloat16):
        found = jax.jit(lambda x, y: einsum("btk,kn->btn", x, y))(x, kernel)
        projected = dense(48, 64, name="out", dtype=jnp.float32, use_bias=False).apply(
            {"params": {"kernel": kernel}}, x
        )
    assert found.dtype == projected.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(projected, expected, atol=2e-5)
    assert (
        np.abs(expected - np.asarray(x, np.float64) @ np.asarray(kernel)).max() > 1e-3
    )  # else the test could not detect the rounding


def test_nothing_is_rounded_outside_the_context() -> None:
    x, kernel = factors()
    with products_in(jnp.bfloat16), products_in(None):
        inside = einsum("btk,kn->btn", x, kernel)
    np.testing.assert_array_equal(inside, jnp.einsum("btk,kn->btn", x, kernel))
    np.testing.assert_array_equal(einsum("btk,kn->btn", x, kernel), inside)


def test_half_precision_arrays_keep_their_type() -> None:
    x, kernel = (jnp.asarray(a, jnp.bfloat16) for a in factors())
    with products_in(jnp.bfloat16):
        assert einsum("btk,kn->btn", x, kernel).dtype == jnp.bfloat16
