"""FLOPs equal the formulas, and XLA's count where there is no loop."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from jaxspeech.training.flops import in_flops, peak_flops, step_flops


def test_products_are_counted_with_loops_gradients_and_rematerialisation():
    x, w = jnp.ones((8, 16)), jnp.ones((5, 16, 16))

    def stack(w, x):
        layer = jax.checkpoint(lambda x, w: (jnp.tanh(x @ w), None))
        return jax.lax.scan(layer, x, w)[0].sum()

    one = 2 * 8 * 16 * 16
    assert step_flops(jax.jit(stack), w, x) == 5 * one
    # Forward, forward again, and two products for the gradients.
    assert step_flops(jax.jit(jax.grad(stack)), w, x) == pytest.approx(20 * one, rel=0.1)


@pytest.mark.parametrize("groups", [1, 4])
def test_convolutions_are_counted_as_xla_counts_them(groups):
    x, kernel = jnp.ones((2, 50, 8)), jnp.ones((5, 8 // groups, 12))

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (2,), "VALID", dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=groups
        )

    ours = step_flops(jax.jit(convolve), x, kernel)
    assert ours == 2 * 2 * 23 * 12 * 5 * 8 // groups
    assert ours == pytest.approx(jax.jit(convolve).lower(x, kernel).compile().cost_analysis()["flops"], rel=0.05)


def test_a_gradient_of_a_convolution_is_about_twice_the_convolution():
    x, kernel = jnp.ones((2, 50, 50, 8)), jnp.ones((3, 3, 8, 8))

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")).sum()

    forward = step_flops(jax.jit(convolve), x, kernel)
    both = step_flops(jax.jit(jax.value_and_grad(convolve, argnums=(0, 1))), x, kernel)
    assert both == pytest.approx(3 * forward, rel=0.15)


def test_peaks_of_devices():
    devices = [SimpleNamespace(device_kind=kind) for kind in ("NVIDIA H200", "NVIDIA H200")]
    assert peak_flops(devices) == 2 * 989e12
    assert peak_flops([SimpleNamespace(device_kind="TPU v5 lite")]) == 197e12
    assert peak_flops(jax.devices("cpu")) is None
    assert in_flops(3.21e12) == "3.21 TFLOP/s" and in_flops(4.2e7) == "42 MFLOP/s"
