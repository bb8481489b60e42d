"""Tests which of equal numbers are the greatest."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.diarization.greatest import greatest
from tests.diarization.nth_element import nth_element


def test_of_equal_numbers_those_of_quickselect():
    """Property: for rows of any length, with many equal numbers and some that are -inf."""
    rng = np.random.default_rng(0)
    size, rows = 61, 200
    counts = rng.integers(1, size + 1, rows)
    values = rng.integers(0, rng.integers(2, 60, (rows, 1)), (rows, size)).astype(np.float32)
    values[rng.random((rows, size)) < 0.1] = -np.inf
    values[:20] = 3  # all are equal
    values[np.arange(size) >= counts[:, None]] = np.nan
    for k in (1, 7, 30, size, 80):
        found = jax.jit(jax.vmap(partial(greatest, k=k)))(values, jnp.array(counts))
        for row, count, ours in zip(values, counts, np.asarray(found), strict=True):
            expected = nth_element(row[:count], min(k, count)) if k < count else range(count)
            np.testing.assert_array_equal(np.flatnonzero(ours), sorted(i for i in expected if row[i] > -np.inf))
    assert not greatest(jnp.arange(3.0), jnp.array(3), 0).any()
