"""Sums of the taps of convolutions that are computed once: which kernels, and that layers use them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.forms.kernel_points import with_points
from jaxspeech.nn import winograd
from jaxspeech.nn.frame_convolution import POINTS, FrameConv1D
from tests.eight_devices import on_eight_devices

WIDTH, NUM_FRAMES = 8, jnp.array([16, 11])


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(winograd, "WIDE", WIDTH)
    monkeypatch.setattr(winograd, "LONG", 32)


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), jnp.float32)


def test_only_wide_kernels_of_three_taps():
    wide = {"kernel": normal(3, 8, 9), "bias": normal(9)}
    others = {
        "narrow": {"kernel": normal(3, 7, 8)},
        "five": {"kernel": normal(5, 8, 8)},
        "matrix": {"kernel": normal(3, 8)},
        "half": {"kernel": normal(3, 8, 8).astype("bfloat16")},
    }
    variables = {"params": {"layer": {"up": wide, **others}, "norm": {"scale": normal(3, 8, 8)}}, "stats": {"x": 1.0}}
    found = with_points(variables)
    points = found.pop(POINTS)
    assert found == variables
    assert list(points) == ["layer"] and list(points["layer"]) == ["up"]
    expected = winograd.kernel_points(wide["kernel"])
    for ours, theirs in zip(points["layer"]["up"]["kernel"], expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    without = {"params": others}
    assert with_points(without) is without


def test_a_layer_uses_them():
    """Its result is the same, and that of its points: it has no use for the kernel then."""
    layer, x = FrameConv1D(9, 3), normal(2, 16, WIDTH)
    variables: Any = layer.init(jax.random.key(0), x, NUM_FRAMES)
    expected: Any = layer.apply(variables, x, NUM_FRAMES)
    prepared: Any = with_points(variables)
    found: Any = layer.apply(prepared, x, NUM_FRAMES)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    kernel = prepared["params"]["kernel"] * 0
    of_points = prepared | {"params": prepared["params"] | {"kernel": kernel}}
    found = layer.apply(of_points, x, NUM_FRAMES)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_few_frames_are_convolved_by_the_kernel():
    layer, x = FrameConv1D(9, 3), normal(2, 15, WIDTH)
    variables: Any = layer.init(jax.random.key(0), x, NUM_FRAMES)
    points = jax.tree.map(jnp.zeros_like, with_points(variables)[POINTS])
    found: Any = layer.apply(variables | {POINTS: points}, x, NUM_FRAMES)
    expected: Any = layer.apply(variables, x, NUM_FRAMES)
    np.testing.assert_array_equal(found, expected)


ELSEWHERE = """
import jax
import jax.numpy as jnp
from jaxspeech.forms.kernel_points import with_points

kernel = jax.device_put(jnp.ones((3, 128, 128)), jax.devices()[5])
points = with_points({"params": {"kernel": kernel}})["points"]["kernel"]
print({point.devices() == kernel.devices() for point in points})
"""


def test_they_are_on_the_device_of_the_kernel():
    assert on_eight_devices(ELSEWHERE) == "{True}\n"
