"""The activity of the speakers of a recording, and from it the masks of each one and of all others."""

import numpy as np
from jaxtyping import Float

# A speaker is active where the probability is higher.
ACTIVE = 0.5


def active_speakers(activity: Float[np.ndarray, "T S"]) -> list[int]:
    """Lists the speakers who are active in any frame."""
    return np.flatnonzero((activity > ACTIVE).any(0)).tolist()


def activity_of_speaker(activity: Float[np.ndarray, "T S"], speaker: int) -> Float[np.ndarray, "T 2"]:
    """Returns the probability that the speaker is active, and whether any of the others is (1 or 0), as NeMo does."""
    others = np.delete(activity, speaker, 1)
    return np.stack([activity[:, speaker], (others > ACTIVE).any(1)], 1).astype(np.float32)


def resampled(
    activity: Float[np.ndarray, "T S"], *, from_seconds: float, to_seconds: float, count: int
) -> Float[np.ndarray, "N S"]:
    """Brings activity to `count` frames of a different length: each has the value at its middle, the last one holds on.

    Args:
      activity: of frames of `from_seconds`.
      from_seconds, to_seconds: lengths of a frame.
      count: frames of the result.
    """
    places = ((np.arange(count) + 0.5) * to_seconds / from_seconds).astype(int)
    return activity[np.minimum(places, len(activity) - 1)]
