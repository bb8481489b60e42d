"""What changes the length of an utterance, drawn for a whole epoch before its batches are planned.

    seconds = before + duration / speed + after

Planning with the changed lengths keeps the padded shapes as they are and cuts nothing: only the longest examples
are bounded, so that each still fits the last bucket.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.data.rng import STRETCH, generator


class Stretch(NamedTuple):
    """One change for each example.

    Attributes:
      speed: 1.1 plays 1.1 times as fast, and as high: another tempo, pitch and length of the vocal tract.
      before, after: seconds of silence around it.
    """

    speed: Float[np.ndarray, " N"]
    before: Float[np.ndarray, " N"]
    after: Float[np.ndarray, " N"]

    def seconds(self, durations: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        return self.before + durations / self.speed + self.after


def draw_stretch(
    durations: Float[np.ndarray, " N"],
    *,
    speeds: tuple[int | float, ...],
    pad_seconds: int | float,
    longest: int | float,
    seed: int,
    epoch: int,
) -> Stretch:
    """A random change for each example.

    Args:
      durations: seconds of each example, none above `longest`.
      speeds: factors to choose from, all equally likely.
      pad_seconds: at most this much silence on each side.
      longest: seconds that no result exceeds: an example is slowed down and padded no further than that.
      seed, epoch: decide the draw, and nothing else does.
    """
    rng = generator(seed, epoch, STRETCH)
    speed = np.asarray(speeds)[rng.integers(len(speeds), size=len(durations))]
    speed = np.maximum(speed, durations / longest)
    before, after = rng.uniform(0.0, pad_seconds, (2, len(durations)))
    room = np.maximum(longest - durations / speed, 0.0)
    shrink = np.minimum(1.0, room / np.maximum(before + after, 1e-9))
    return Stretch(speed, before * shrink, after * shrink)
