"""Dynamic time warping: the cheapest monotonic path through a matrix of costs (Sakoe & Chiba, 1978).

total[n, t] = cost[n, t] + min(total[n-1, t-1], total[n-1, t], total[n, t-1])
"""

import numpy as np
from jaxtyping import Float, Int


def warping_path(cost: Float[np.ndarray, "N T"]) -> tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]:
    """Finds the cheapest path from the first row and column to the last ones.

    Args:
      cost: of each pair of a row and a column, of any sign; at least one of each.

    Returns:
      The row and the column of each step. From one step to the next, one of them grows by 1, or both.
    """
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(rows + columns - 1):  # row + column; its cells do not depend on one another
        n = np.arange(max(diagonal - columns + 1, 0), min(diagonal + 1, rows))
        t = diagonal - n
        before = np.minimum(np.minimum(total[n, t], total[n, t + 1]), total[n + 1, t])
        total[n + 1, t + 1] = cost[n, t] + before
    n, t = rows - 1, columns - 1
    path = [(n, t)]
    while n or t:
        came_from = {(n - 1, t - 1): total[n, t], (n - 1, t): total[n, t + 1], (n, t - 1): total[n + 1, t]}
        n, t = min(came_from, key=lambda cell: came_from[cell])
        path.append((n, t))
    found = np.array(path[::-1])
    return found[:, 0], found[:, 1]
