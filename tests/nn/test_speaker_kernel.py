"""Tests speaker kernels and masks against the equations in NumPy, one frame at a time."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.encoders.layer_stack import stack_layers
from jaxspeech.errors import ConfigError
from jaxspeech.nn.speaker_kernel import SpeakerKernel
from jaxspeech.speaker_masks import SpeakerMasks, one_speaker
from tests.interop.random_model import random_leaves

B, T, D = 2, 7, 6
ENCODER = {
    "num_layers": 3,
    "width": 8,
    "num_heads": 2,
    "subsampling": "stacking",
    "conv_kernel": 3,
    "conv_norm": "layer",
}
SIZES = np.array([96, 72], np.int32)
FRAMES = (12, 9)


def by_hand(params, x, target, background):
    """x += FF(x target), then x += FF_background(x background), for a frame [D]."""
    for name, mask in (("target", target), ("background", background)):
        if name in params:
            up, down = params[name]["up"], params[name]["down"]
            hidden = np.maximum(mask * x @ up["kernel"] + up["bias"], 0)
            x = x + hidden @ down["kernel"] + down["bias"]
    return x


@pytest.mark.parametrize("background", [True, False])
def test_a_kernel_is_its_equation(background):
    rng = np.random.default_rng(0)
    x, masks = jnp.asarray(rng.normal(size=(B, T, D)), jnp.float32), jnp.asarray(rng.random((2, B, T, 1)), jnp.float32)
    kernel = SpeakerKernel(background)
    params = random_leaves(jax.eval_shape(kernel.init, jax.random.key(0), x, *masks))["params"]
    found = kernel.apply({"params": params}, x, *masks)
    for b, t in np.ndindex(B, T):
        np.testing.assert_allclose(found[b, t], by_hand(params, x[b, t], *masks[:, b, t]), rtol=1e-5, atol=1e-5)


def aligned_by_hand(mask, count, size, otherwise):
    """A row's mask, padded or cut on the left to `count` frames."""
    row = [otherwise] * max(count - len(mask), 0) + list(mask[max(len(mask) - count, 0) :])
    return row + [0.0] * (size - count)


def test_masks_end_with_the_frames_of_each_row():
    rng = np.random.default_rng(1)
    target, background = rng.random((2, 3, 6)).astype(np.float32)
    lengths, counts, size = np.array([6, 3, 4]), np.array([4, 5, 4]), 5
    for row, n in enumerate(lengths):
        target[row, n:] = background[row, n:] = np.nan  # never read
    found = SpeakerMasks(target, background, lengths).aligned(counts, size)
    for mask, ours, otherwise in zip((target, background), found, (1.0, 0.0), strict=True):
        for row, (n, count) in enumerate(zip(lengths, counts, strict=True)):
            want = aligned_by_hand(mask[row, :n], count, size, otherwise)
            np.testing.assert_array_equal(ours[row, :count, 0], np.float32(want[:count]))


def test_masks_without_lengths_begin_with_the_frames():
    target, background = np.array([[0.2, 0.7]], np.float32), np.array([[1.0, 0.0]], np.float32)
    ours, others = SpeakerMasks(target, background).aligned(np.array([4]), 4)
    np.testing.assert_array_equal(ours[0, :, 0], np.float32([0.2, 0.7, 1, 1]))
    np.testing.assert_array_equal(others[0, :, 0], np.float32([1, 0, 0, 0]))


@pytest.fixture(scope="module")
def encoder():
    """An encoder with kernels before layers 0 and 2 and after the last, its parameters, features, and masks."""
    rng = np.random.default_rng(2)
    features = jnp.asarray(rng.normal(size=(B, 96, 16)), jnp.float32)
    module = FastConformer(**ENCODER, speaker_kernels=(0, 2, 3), scan_layers=False, dropout_speakers=0.0)
    params = random_leaves(jax.eval_shape(module.init, jax.random.key(0), features, SIZES))["params"]
    masks = SpeakerMasks(*jnp.asarray(rng.random((2, B, FRAMES[0])), jnp.float32), jnp.array(FRAMES))
    return module, params, features, masks


def layers_of(module, params, features, *masks):
    """Runs the encoder; returns the list of its layers' outputs, the subsampled frames first."""
    run = jax.jit(lambda params, *inputs: module.apply({"params": params}, *inputs, layers=("input", 0, 1, 2)))
    return [np.asarray(layer.frames) for layer in run(params, features, SIZES, *masks)[2]]


def test_kernels_are_applied_before_their_layers(encoder):
    """The encoder's own layers, one at a time, with the equation between them."""
    module, params, features, masks = encoder
    found = layers_of(module, params, features, masks)
    both = masks.aligned(jnp.array(FRAMES), found[0].shape[1])
    # The third layer's input has passed the kernel at 2, and its output the one at 3: without that one only it differs.
    without = layers_of(module.clone(speaker_kernels=(0, 2)), params, features, masks)
    for ours, before in zip(found[:3], without, strict=False):
        np.testing.assert_array_equal(ours, before)
    first = layers_of(module.clone(speaker_kernels=(0,)), params, features, masks)
    for place, untouched in ((3, without[3]), (2, first[2])):
        kernel = params[f"speaker_kernel_{place}"]
        for b, t in np.ndindex(B, min(FRAMES)):
            want = by_hand(kernel, untouched[b, t], both[0][b, t], both[1][b, t])
            np.testing.assert_allclose(found[place][b, t], want, rtol=1e-4, atol=1e-4)
    plain = layers_of(module.clone(speaker_kernels=()), params, features)
    np.testing.assert_array_equal(found[0], plain[0])  # the subsampled frames
    assert np.abs(found[1] - plain[1]).max() > 1e-2


def test_stacked_layers_give_the_same_with_the_same_gradients(encoder):
    module, params, features, masks = encoder

    def total(module, params):
        encoded, num_frames = module.apply({"params": params}, features, jnp.asarray(SIZES), masks)
        real = jnp.arange(encoded.shape[1]) < num_frames[:, None]
        return jnp.where(real[..., None], jnp.sin(encoded), 0).sum()

    stacked, ours = module.clone(scan_layers=True), stack_layers(params)
    value, gradients = jax.jit(jax.value_and_grad(partial(total, module)))(params)
    other, others = jax.jit(jax.value_and_grad(partial(total, stacked)))(ours)
    np.testing.assert_allclose(value, other, rtol=1e-5)
    for name in ("speaker_kernel_0", "speaker_kernel_2", "speaker_kernel_3"):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), gradients[name], others[name])
        assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(others[name]))
    shapes = jax.eval_shape(stacked.init, jax.random.key(0), features, SIZES)["params"]
    assert jax.tree.map(jnp.shape, shapes) == jax.tree.map(jnp.shape, ours)


def test_without_masks_there_is_one_speaker(encoder):
    module, params, features, _ = encoder
    ones = jnp.ones((B, FRAMES[0]))
    explicit = layers_of(module, params, features, SpeakerMasks(ones, 0 * ones, jnp.array(FRAMES)))
    np.testing.assert_allclose(layers_of(module, params, features)[-1], explicit[-1], atol=1e-5)
    np.testing.assert_allclose(layers_of(module, params, features, one_speaker(B))[-1], explicit[-1], atol=1e-5)


@pytest.mark.parametrize("places", [(2, 0), (4,), (-1,), (1, 1)])
def test_kernels_have_places_in_order(places):
    with pytest.raises(ConfigError, match=r"speaker_kernels .* ascending numbers of layers, 0 to 3"):
        FastConformer(**ENCODER, speaker_kernels=places)
