"""The temperature of several sources: above 1, small ones are shown more often and large ones less.

A source with the share p of all seconds gets a share proportional to p^(1 / temperature):

    factor = p^(1 / temperature) / sum p^(1 / temperature) / p

The length of an epoch does not change.
"""

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import ManifestError


def tempered(
    sources: Int[np.ndarray, " N"],
    durations: Float[np.ndarray, " N"],
    weights: Float[np.ndarray, " K"],
    temperature: int | float,
) -> Float[np.ndarray, " K"]:
    """Computes the factor by which a temperature changes the weight of each source.

    Args:
      sources: the source of each example.
      durations: seconds of each example.
      weights: of the sources.
      temperature: 1 changes nothing; above it, small sources are shown more often and large ones less.

    Raises:
      ManifestError: the temperature is not positive.
    """
    if not temperature > 0:
        raise ManifestError(f"temperature: {temperature} must be above 0")
    seconds = np.bincount(sources, weights=durations, minlength=len(weights)) * weights
    shares = seconds / seconds.sum()
    wanted = np.where(shares > 0, np.maximum(shares, 1e-300) ** (1 / temperature), 0.0)
    return np.divide(wanted / wanted.sum(), shares, out=np.ones(len(weights)), where=shares > 0)
