import numpy as np
import pytest

from jaxspeech.features.normalization import normalize

LENGTHS = np.array([50, 7])


@pytest.fixture
def features():
    x = 5 * np.random.default_rng(0).standard_normal((2, 50, 4)).astype(np.float32) - 10
    x[1, 7:] = np.nan
    return x


@pytest.mark.parametrize("over, axes", [("per_feature", 0), ("all_features", (0, 1))])
def test_real_frames_get_mean_zero_and_deviation_one(features, over, axes):
    result = normalize(features, LENGTHS, over=over)
    for row, x, length in zip(result, features, LENGTHS, strict=True):
        x = x[:length].astype(np.float64)
        expected = (x - x.mean(axes)) / (x.std(axes, ddof=1) + 1e-5)
        np.testing.assert_allclose(row[:length], expected, atol=1e-5)
        assert not np.any(row[length:])


def test_none_only_clears_the_padding(features):
    result = normalize(features, LENGTHS, over="none")
    np.testing.assert_array_equal(result, np.nan_to_num(features))


def test_a_large_mean_costs_no_precision():
    x = np.random.default_rng(0).standard_normal((1, 4000, 2)).astype(np.float32)
    np.testing.assert_allclose(
        normalize(x + np.float32(1024), np.array([4000]), over="per_feature"),
        normalize(x, np.array([4000]), over="per_feature"),
        atol=1e-3,
    )


@pytest.mark.parametrize("length", [0, 1])
def test_too_few_frames_give_zeros(length):
    result = normalize(np.ones((1, 3, 2), np.float32), np.array([length]), over="per_feature")
    np.testing.assert_array_equal(result, np.zeros((1, 3, 2)))
