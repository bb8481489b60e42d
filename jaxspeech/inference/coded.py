"""The results of a codec."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Encoded(NamedTuple):
    """The ids of one recording.

    Attributes:
      source: the file's path, or "array 0", "array 1", ...
      duration: of the audio, in seconds.
      ids: C of each of T frames; empty if there is an error.
      num_samples: of the recording, at the model's rate; its frames may have more. 0: as many as these.
      error: with `on_error="skip"`, one line that says why there are none.
      note: one line about how they were computed, if there is something to report.
    """

    source: str
    duration: float
    ids: Int[np.ndarray, "C T"]
    num_samples: int = 0
    error: str | None = None
    note: str | None = None


class Decoded(NamedTuple):
    """The samples of ids.

    Attributes:
      source: of what was encoded, or "ids 0", "ids 1", ...
      duration: in seconds.
      samples: [S].
      sample_rate: in Hz.
    """

    source: str
    duration: float
    samples: Float[np.ndarray, " S"]
    sample_rate: int
