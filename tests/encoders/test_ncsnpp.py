from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.ncsnpp import NCSNPlusPlus, doubled, halved
from jaxspeech.errors import ConfigError
from jaxspeech.nn.image_conv import conv3x3
from tests.encoders.spectra import check_padding_and_batch, noise

TINY: dict[str, Any] = dict(widths=(4, 4, 8), num_res_blocks=1, init_scale=1.0, pad_frames_to=4, pad_bins_to=2)


def test_padding_and_batch_change_nothing() -> None:
    # One recording ends where its own filling ends, before the longest one does: it has no frame after its last.
    module = NCSNPlusPlus(num_outputs=2, conditioned_on_time=True, **TINY)
    check_padding_and_batch(module, noise(3, 2, 11, 5), jnp.array([11, 4, 6]), jnp.array([0.9, 0.3, 0.03]))


def test_the_time_must_be_given_where_it_is_used() -> None:
    inputs = noise(1, 1, 4, 4), jnp.array([4])
    with pytest.raises(ConfigError, match="needs the time"):
        NCSNPlusPlus(conditioned_on_time=True, **TINY).init(jax.random.key(0), *inputs)
    with pytest.raises(ConfigError, match="takes no time"):
        NCSNPlusPlus(**TINY).init(jax.random.key(0), *inputs, jnp.ones(1))


@pytest.mark.parametrize("fields", [{"widths": (8,)}, {"widths": (8, 3)}, {"pad_frames_to": 6, "widths": (4, 4, 4, 4)}])
def test_impossible_sizes_raise(fields: dict) -> None:
    with pytest.raises(ConfigError, match=r"NCSN\+\+ needs|widths|pad_frames_to"):
        NCSNPlusPlus(**fields)


@pytest.mark.parametrize("shape", [(2, 5, 6, 3), (1, 70, 90, 2)], ids=["one block", "two blocks"])
def test_gradients_of_the_convolution_are_those_of_xla(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=size), jnp.float32) for size in (shape, (3, 3, shape[-1], 4)))
    target = jnp.asarray(rng.normal(size=(*shape[:-1], 4)), jnp.float32)

    def plain(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    ours, xla = (
        jax.jit(jax.grad(lambda x, kernel, convolve=convolve: (convolve(x, kernel) * target).sum(), (0, 1)))(x, kernel)
        for convolve in (conv3x3, plain)
    )
    for found, expected in zip(ours, xla, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


def test_images_are_resized_bilinearly() -> None:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 4, 3)), jnp.float32)
    np.testing.assert_allclose(halved(x), jax.image.resize(x, (2, 3, 2, 3), "linear", antialias=False), atol=1e-6)
    np.testing.assert_allclose(
        doubled(x, jnp.array([5, 5])), jax.image.resize(x, (2, 12, 8, 3), "linear", antialias=False), atol=1e-6
    )
    # What follows the last frame does not count.
    np.testing.assert_array_equal(doubled(x, jnp.array([5, 2]))[1, :6], doubled(x[1:, :3], jnp.array([2]))[0])
