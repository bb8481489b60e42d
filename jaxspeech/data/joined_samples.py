"""Joins the samples of utterances, with silence between them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def joined_samples(
    parts: Sequence[Float[np.ndarray, " _"]], *, between: int, start: int = 0, end: int = 0
) -> Float[np.ndarray, " S"]:
    """Joins samples.

    Args:
      parts: the samples of each utterance.
      between: samples of silence between two utterances.
      start, end: samples of silence before the first and after the last one.
    """
    first, silence, last = (np.zeros(count, np.float32) for count in (start, between, end))
    spaced = [piece for part in parts for piece in (silence, part)][1:]
    return np.concatenate([first, *spaced, last])
