"""The reconstruction decoder: its convolutions against sums, frame rates, and padding."""

import jax
import numpy as np
import pytest

from jaxspeech.decoders.reconstruction import ReconstructionDecoder
from jaxspeech.errors import ConfigError

T, W = 7, 5


def convolved(x, kernel, bias, kind):
    """A depthwise convolution of torch: plain, strided, or transposed with one frame of output padding."""
    half, size = len(kernel) // 2, {"plain": len(x), "strided": -(-len(x) // 2), "transposed": 2 * len(x)}[kind]
    y = np.tile(bias, (size, 1))
    for t in range(len(x)):
        for i in range(len(kernel)):
            place = 2 * t + i - half if kind == "transposed" else t - i + half
            if kind == "strided":
                place = place // 2 if place % 2 == 0 else -1
            if 0 <= place < size:
                y[place] += x[t] * kernel[i]
    return y


@pytest.mark.parametrize("upsampling", [True, False])
def test_layers_are_those_of_torch(upsampling):
    decoder = ReconstructionDecoder(3, 4, stride_layers=1, layers=1, upsampling=upsampling, kernel_size=W)
    rng, lengths = np.random.default_rng(0), np.array([T, 4])
    encoded = rng.normal(size=(2, T, 6)).astype(np.float32)
    encoded[1, 4:] = np.nan
    variables = decoder.init(jax.random.key(0), encoded, lengths)
    variables = jax.tree.map(lambda x: rng.uniform(0.2, 1.0, x.shape).astype(np.float32), variables)
    found, counts = jax.jit(decoder.apply)(variables, encoded, lengths)
    params, stats = variables["params"], variables["batch_stats"]
    assert counts.tolist() == [2 * n if upsampling else -(-n // 2) for n in lengths.tolist()]
    for row, n in enumerate(lengths):
        x = encoded[row, :n] @ params["first"]["kernel"] + params["first"]["bias"]
        for i, kind in enumerate(["transposed" if upsampling else "strided", "plain"]):
            x = convolved(np.maximum(x, 0), params[f"kernel_{i}"], params[f"bias_{i}"], kind)
            x = x @ params[f"mix_{i}"]["kernel"] + params[f"mix_{i}"]["bias"]
            of_norm = stats[f"norm_{i}"]
            x = (x - of_norm["mean"]) / np.sqrt(of_norm["var"] + 1e-3) * params[f"norm_{i}"]["scale"]
            x += params[f"norm_{i}"]["bias"]
        x = np.maximum(x, 0) @ params["out"]["kernel"] + params["out"]["bias"]
        np.testing.assert_allclose(found[row, : len(x)], x, rtol=2e-5, atol=2e-5)


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="kernel_size is 4"):
        ReconstructionDecoder(layers=1, kernel_size=4)
    with pytest.raises(ConfigError, match="activation is 'rely'"):
        ReconstructionDecoder(activation="rely")
    with pytest.raises(ConfigError, match="stride_layers is 2"):
        ReconstructionDecoder(stride_layers=2).frames_per(2)
    assert ReconstructionDecoder(stride_layers=1).frames_per(8) == 4
    assert ReconstructionDecoder(stride_layers=1, upsampling=False).frames_per(4) == 8
