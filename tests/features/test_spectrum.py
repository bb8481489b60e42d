"""Frames of a long recording are transformed in chunks, with the same result."""

import numpy as np
import pytest

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
