"""Dynamic time warping, compared with an enumeration of all paths."""

import numpy as np
import pytest

from jaxspeech.search.warping import warping_path


def all_paths(rows, columns):
    """Every monotonic path from the first cell to the last."""
    if rows == columns == 1:
        return [[(0, 0)]]
    steps = [(1, 1), (1, 0), (0, 1)]
    before = [(rows - n, columns - t) for n, t in steps if rows - n >= 1 and columns - t >= 1]
    return [[*path, (rows - 1, columns - 1)] for sizes in before for path in all_paths(*sizes)]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (3, 4), (5, 3), (4, 4)])
def test_the_path_is_the_cheapest_of_all(size):
    rng = np.random.default_rng(0)
    for cost in (rng.normal(size=size), rng.random(size), -rng.random(size)):
        path = list(zip(*(part.tolist() for part in warping_path(cost)), strict=True))
        paths = all_paths(*size)
        assert path in paths
        cheapest = min(sum(cost[cell] for cell in other) for other in paths)
        np.testing.assert_allclose(sum(cost[cell] for cell in path), cheapest)
