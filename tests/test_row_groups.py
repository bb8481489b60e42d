"""A batch in groups of rows gives the rows of the whole batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.row_groups import MOST_FRAMES, group_size, in_row_groups


def scaled_means(scale, x, n):
    """For each row, the mean of its first n numbers, times `scale`."""
    return scale * jnp.where(jnp.arange(x.shape[1]) < n[:, None], x, 0.0).sum(1, keepdims=True) / n[:, None]


@pytest.mark.parametrize("rows", [1, 7, 8, 12])
def test_groups_give_what_each_row_gives_alone(rows):
    rng = np.random.default_rng(0)
    x, n = rng.standard_normal((rows, 5)).astype(np.float32), rng.integers(1, 6, rows)
    found = jax.jit(lambda *args: in_row_groups(scaled_means, *args, frames=MOST_FRAMES // 2))(3.0, x, n)
    expected = [3.0 * row[:count].mean() for row, count in zip(x, n, strict=True)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)


def test_a_group_has_at_least_two_rows_and_no_more_frames_than_fit():
    half = MOST_FRAMES // 2
    assert [group_size(rows, half) for rows in (1, 2, 4, 6, 7)] == [1, 2, 2, 2, 7]
    assert group_size(8, 2 * MOST_FRAMES) == 8  # two rows do not fit
    assert group_size(1000, 1) == 1000  # small enough as a whole
    assert group_size(14, half - 1) == 2


def test_the_gradient_through_groups_is_that_of_the_whole():
    x, n = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32), np.array([1, 2, 3, 3])

    def total(function):
        return jax.grad(lambda x: jnp.square(function(2.0, x, n)).sum())(x)

    found = total(lambda *args: in_row_groups(scaled_means, *args, frames=MOST_FRAMES // 2))
    np.testing.assert_allclose(found, total(scaled_means), rtol=1e-5)


def test_rows_are_grouped_on_a_cpu_and_not_on_other_devices():
    x, n = jnp.ones((4, 3)), jnp.array([1, 2, 3, 3])
    function = jax.jit(lambda *args: in_row_groups(scaled_means, *args, frames=MOST_FRAMES // 2))
    for platform, grouped in (("cpu", True), ("cuda", False)):
        lowered = function.trace(2.0, x, n).lower(lowering_platforms=(platform,)).as_text()
        assert ("stablehlo.while" in lowered) == grouped
