"""Rows that need a result get it, some at a time or all at once, and no other row does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.search.needed_rows import for_needed, put_rows

N, SHARE = 10, 4  # two at a time


@jax.jit
def run(needed):
    def some(rows, needed, results):
        return put_rows(needed, rows, results, (100 + rows, jnp.full(rows.shape, results[1].max() + 1)))

    def all_rows(results):
        return some(jnp.arange(N), needed, results)

    return for_needed(needed, (jnp.arange(N), jnp.zeros(N, jnp.int32)), some=some, all_rows=all_rows, share=SHARE)


@pytest.mark.parametrize("rows", [(), (7,), (0, 9), (2, 3, 8), (0, 1, 4, 5, 9), range(N)])
def test_each_row_that_needs_it_is_computed_once(rows):
    needed = np.isin(np.arange(N), list(rows))
    values, part = run(needed)
    np.testing.assert_array_equal(values, np.where(needed, 100, 0) + np.arange(N))
    if jax.default_backend() == "cpu":
        assert part[needed].tolist() == [1 + i // 2 for i in range(needed.sum())]
