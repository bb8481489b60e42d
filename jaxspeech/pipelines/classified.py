"""The result of a classifier for one recording."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Classified(NamedTuple):
    """The classes of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      top: (name, probability) of every class, or of `top_k` of them, the most probable first; for a frame-level model,
        means over frames.
      probabilities: [C], or [T C] for a frame-level model, one row per `frame_seconds`.
      error: with `on_error="skip"`, one line that says why the recording could not be classified.
      note: one line about how it was classified, if there is something to report.
    """

    source: str
    duration: float
    top: list[tuple[str, float]]
    probabilities: Float[np.ndarray, "*T C"]
    error: str | None = None
    note: str | None = None
