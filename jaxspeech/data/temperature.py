"""Weights of the sources of a manifest, by temperatures: small ones are shown more often than their share.

    p_i = hours_i weight_i / sum_j hours_j weight_j        among the members of one group
    factor_i = p_i^(1/T) / sum_j p_j^(1/T) / p_i

Sources may be in groups of groups. A group's share is that of its members together; each level has a temperature of its
own. The length of an epoch does not change.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import ManifestError


def tempered(
    seconds: Float[np.ndarray, " K"],
    groups: Sequence[tuple[int, ...]],
    temperature: int | float | Sequence[int | float],
) -> Float[np.ndarray, " K"]:
    """The factor by which each source's weight changes.

    Args:
      seconds: of each source, times its weight.
      groups: of each source the numbers of the groups that it is in, from the outermost to itself.
      temperature: of all levels, or of each from the outermost; levels further in have the last one.

    Raises:
      ManifestError: a temperature is not above 0.
    """
    levels = [temperature] if isinstance(temperature, int | float) else list(temperature)
    if not levels or not all(isinstance(level, int | float) and level > 0 for level in levels):
        raise ManifestError(f"temperature: {temperature} must be above 0")
    factors = np.ones(len(seconds))
    _temper(factors, seconds, groups, list(range(len(seconds))), levels, depth=0)
    return factors


def _temper(
    factors: Float[np.ndarray, " K"],
    seconds: Float[np.ndarray, " K"],
    groups: Sequence[tuple[int, ...]],
    members: Sequence[int],
    levels: Sequence[int | float],
    *,
    depth: int,
) -> None:
    """Multiply the factors of some sources, which share their groups down to this depth."""
    parts: dict[int, list[int]] = {}
    for member in members:
        parts.setdefault(groups[member][depth], []).append(member)
    hours = np.array([seconds[part].sum() for part in parts.values()])
    shares = hours / max(hours.sum(), 1e-300)
    wanted = np.where(shares > 0, np.maximum(shares, 1e-300) ** (1 / levels[min(depth, len(levels) - 1)]), 0.0)
    changes = np.divide(wanted, shares * wanted.sum(), out=np.ones(len(parts)), where=shares > 0)
    for part, change in zip(parts.values(), changes, strict=True):
        factors[part] *= change
        inner = [member for member in part if len(groups[member]) > depth + 1]
        if inner:
            _temper(factors, seconds, groups, inner, levels, depth=depth + 1)
