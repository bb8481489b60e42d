"""Tests the codes of the random projection against a search over all distances in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.features import random_projection
from jaxspeech.features.random_projection import RandomProjection, group_frames

B, T, F = 2, 21, 5
RNG = np.random.default_rng(0)
FEATURES = jnp.asarray(RNG.normal(size=(B, T, F)), jnp.float32)
LENGTHS = jnp.array([T, 13])
MODULE = RandomProjection(num_codes=50, num_books=2, code_dim=4)


def nearest(features, variables, group):
    """By distance, of normalised projections; the last group is filled with zeros."""
    projection, codes = (np.asarray(variables["constants"][name], np.float64) for name in ("projection", "codes"))
    ids = []
    for row, n in zip(np.asarray(features, np.float64), LENGTHS, strict=True):
        row = np.where(np.arange(T)[:, None] < n, row, 0)
        row = np.concatenate([row, np.zeros((-T % group, F))])
        x = np.einsum("ng,ghe->nhe", row.reshape(-1, group * F), projection)
        x /= np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
        ids.append(np.linalg.norm(x[:, :, None] - codes, axis=-1).argmin(-1))
    return np.stack(ids)


@pytest.mark.parametrize("at_once", [1 << 21, 300], ids=["whole", "blocks"])
def test_codes_are_the_nearest_ones(at_once, monkeypatch):
    monkeypatch.setattr(random_projection, "AT_ONCE", at_once)
    variables = MODULE.init(jax.random.key(0), FEATURES, LENGTHS, group=4)
    assert [*variables] == ["constants"]
    np.testing.assert_allclose(jnp.linalg.norm(variables["constants"]["codes"], axis=-1), 1, rtol=1e-6)
    spoiled = jnp.where(jnp.arange(T)[:, None] < LENGTHS[:, None, None], FEATURES, jnp.nan)
    found = MODULE.apply(variables, spoiled, LENGTHS, group=4)
    expected = nearest(FEATURES, variables, 4)
    for row, n in enumerate(LENGTHS):
        np.testing.assert_array_equal(found[row, : -(-n // 4)], expected[row, : -(-n // 4)])
    assert np.max(found) > 24


def test_groups_have_the_first_frame_first():
    grouped = group_frames(FEATURES, LENGTHS, group=4)
    np.testing.assert_array_equal(grouped[0, 2], FEATURES[0, 8:12].reshape(-1))
    assert grouped.shape == (B, 6, 20) and not np.any(grouped[0, 5, F:])


def test_sizes_are_positive():
    with pytest.raises(ConfigError, match="num_books 0 must be at least 1"):
        RandomProjection(num_books=0)
