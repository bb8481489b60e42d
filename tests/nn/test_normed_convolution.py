"""Tests kernels with norms against NumPy, and that folding them in changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.nn.normed_convolution import NormedConv, NormedUpsampling, check_norm, folded, unfolded

X = jnp.asarray(np.random.default_rng(0).standard_normal((2, 7, 3)), jnp.float32)


def random_params(conv: NormedConv) -> dict:
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(conv.init, jax.random.key(0), X)["params"]
    return {name: jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape), jnp.float32) for name, leaf in shapes.items()}


def test_a_weight_norm_is_that_of_each_output_channel() -> None:
    conv = NormedConv(4, 3)
    params = random_params(conv)
    direction = np.asarray(params["direction"], np.float64)
    kernel = params["scale"] * direction / np.sqrt((direction**2).sum((0, 1)))
    padded = np.pad(np.asarray(X, np.float64), ((0, 0), (1, 1), (0, 0)))
    expected = params["bias"] + sum(padded[:, i : i + 7] @ kernel[i] for i in range(3))
    np.testing.assert_allclose(conv.apply({"params": params}, X), expected, atol=1e-5)

    inside = folded({"layer": params})["layer"]
    np.testing.assert_allclose(inside["kernel"], kernel, atol=1e-6)
    np.testing.assert_allclose(NormedConv(4, 3, norm="none").apply({"params": inside}, X), expected, atol=1e-5)
    again = folded({"layer": unfolded({"layer": inside})["layer"]})["layer"]
    np.testing.assert_allclose(again["kernel"], kernel, atol=1e-6)


def test_a_direction_of_zeros_has_a_finite_gradient() -> None:
    conv = NormedConv(4, 3)
    params = random_params(conv) | {"direction": jnp.zeros((3, 3, 4))}
    gradient = jax.grad(lambda params: jnp.sum(conv.apply({"params": params}, X) ** 2))(params)
    assert all(np.isfinite(leaf).all() for leaf in gradient.values())


@pytest.mark.parametrize("layer", [NormedConv(4, 3), NormedUpsampling(4, 4, 2)])
def test_its_output_is_not_computed_again_for_its_gradient(layer) -> None:
    """As the phases of an adversarial step need both: of the outputs, and of their gradient."""
    params = layer.init(jax.random.key(0), X)

    def output(params):
        return layer.apply(params, X)

    def squared(params):
        return jnp.sum(output(params) ** 2)

    def operations(function):
        return jax.jit(function).lower(params).compile().cost_analysis()["flops"]

    both = operations(lambda params: (jnp.sin(output(params)), jax.grad(squared)(params)))
    assert both < operations(jax.grad(squared)) + 0.5 * operations(output)


def test_a_spectral_norm_divides_by_the_greatest_singular_value() -> None:
    conv = NormedConv(4, 3, norm="spectral")
    variables = conv.init(jax.random.key(0), X)
    for _ in range(30):
        found, updates = conv.apply(variables, X, train=True, mutable=["spectral_norm"])
        variables = {**variables, **updates}
    matrix = np.asarray(variables["params"]["kernel"], np.float64).reshape(-1, 4)
    unit = {
        "kernel": jnp.asarray(matrix.reshape(3, 3, 4) / np.linalg.svd(matrix)[1][0], jnp.float32),
        "bias": variables["params"]["bias"],
    }
    np.testing.assert_allclose(found, NormedConv(4, 3, norm="none").apply({"params": unit}, X), atol=1e-4)


def test_an_unknown_norm_is_one_line() -> None:
    with pytest.raises(ConfigError, match="norm cannot be 'batch'"):
        check_norm("batch")
