import numpy as np
import pytest

from jaxspeech.features.window import WINDOWS, centred_window

NUMPY = {"hann": np.hanning, "hamming": np.hamming, "blackman": np.blackman, "bartlett": np.bartlett, "none": np.ones}


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("length", [6, 7, 400])
def test_equals_numpy(name, length):
    np.testing.assert_allclose(centred_window(name, length, size=length), NUMPY[name](length), atol=1e-12)
    # The periodic window is the symmetric window of one more sample, without its last sample.
    periodic = centred_window(name, length, size=length, periodic=True)
    np.testing.assert_allclose(periodic, NUMPY[name](length + 1)[:-1], atol=1e-12)


def test_sits_in_the_middle_of_the_transform():
    np.testing.assert_array_equal(centred_window("none", 3, size=8), [0, 0, 1, 1, 1, 0, 0, 0])
