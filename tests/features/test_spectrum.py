"""Spectra are the same in chunks of a long recording, and by the products that a TPU computes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.features.fourier_products import product_powers, span_of
from jaxspeech.features.spectrum import filtered_spectrum


@pytest.mark.parametrize("chunk", [1, 16, 50])
def test_chunks_change_nothing(chunk):
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((2, 8000)).astype(np.float32)
    arguments = samples, np.hanning(512), rng.uniform(size=(257, 20))
    whole = filtered_spectrum(*arguments, hop=160)
    chunked = filtered_spectrum(*arguments, hop=160, chunk=chunk)
    assert whole.shape == (2, 47, 20)
    np.testing.assert_allclose(chunked, whole, rtol=1e-5)


@pytest.mark.parametrize(("hop", "length"), [(160, 400), (37, 512)])
def test_products_equal_transforms(hop, length):
    """In float32 to rounding, beside a tone that is 60 dB louder than what most bins hold."""
    rng = np.random.default_rng(1)
    samples = np.sin(2 * np.pi * 440 * np.arange(8000) / 16000) + 1e-3 * rng.standard_normal(8000)
    samples = samples.astype(np.float32)
    margins = (512 - length) // 2
    window = np.pad(np.hanning(length + 2)[1:-1], margins)
    filters = np.zeros((257, 40))
    filters[3:203] = np.kron(np.eye(40), rng.uniform(0.5, 1, (5, 1)))

    heard, used = span_of(window), span_of(filters.max(axis=1))
    assert (heard, used) == ((margins, 512 - margins), (3, 203))
    num_frames = (8000 - 512) // hop + 1
    powers = product_powers(
        jnp.asarray(samples), jnp.asarray(window, jnp.float32), hop=hop, num_frames=num_frames, samples=heard, bins=used
    )
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float64), 512)[::hop] * window
    expected = np.abs(np.fft.rfft(frames)) ** 2 @ filters
    found = np.asarray(powers, np.float64) @ filters[slice(*used)]
    by_transforms = filtered_spectrum(samples[None], window, filters, hop=hop)[0]
    assert found.shape == by_transforms.shape == (num_frames, 40)
    np.testing.assert_allclose(np.log(found), np.log(expected), atol=5e-4)
    np.testing.assert_allclose(found, by_transforms, rtol=1e-3)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_only_a_tpu_computes_products(platform):
    apply = jax.jit(partial(filtered_spectrum, window=np.hanning(64), filters=np.eye(33), hop=16))
    text = apply.trace(jnp.zeros((2, 400))).lower(lowering_platforms=(platform,)).as_text()
    assert ("stablehlo.fft" in text) == (platform != "tpu")
    assert ("stablehlo.gather" in text) == (platform != "tpu")  # frames cut one by one
