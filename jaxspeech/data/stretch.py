"""What changes the length of an utterance, drawn for a whole epoch before its batches are planned.

    seconds = before + duration / speed + after

Planning with the changed lengths keeps the padded shapes as they are and cuts nothing: only the longest examples
are bounded, so that each still fits the last bucket. Negative silence is speech cut away, as by a hasty editor.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxspeech.data.plan import chunks
from jaxspeech.data.rng import STRETCH, generator

# Of an utterance, that may be cut from each end.
MOST_CUT = 0.3


class Stretch(NamedTuple):
    """One change for each example.

    Attributes:
      speed: 1.1 plays 1.1 times as fast, and as high: another tempo, pitch and length of the vocal tract.
      before, after: seconds of silence around it; negative: seconds that it loses.
    """

    speed: Float[np.ndarray, " N"]
    before: Float[np.ndarray, " N"]
    after: Float[np.ndarray, " N"]

    def seconds(self, durations: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        return self.before + durations / self.speed + self.after


class Draws(NamedTuple):
    """The changes of a whole epoch, as small as they were drawn.

    Attributes:
      speeds: factors to choose from.
      choice: of each example, among them.
      before, after: seconds of silence or, negative, of loss, before they are bounded.
      longest: seconds that no result exceeds.
    """

    speeds: Float[np.ndarray, " K"]
    choice: UInt8[np.ndarray, " N"]
    before: Float[np.ndarray, " N"]
    after: Float[np.ndarray, " N"]
    longest: float

    def of(self, rows: Any, durations: Float[np.ndarray, " R"]) -> Stretch:
        """The changes of these examples (indices or a slice), whose durations are given, too."""
        speed = np.maximum(self.speeds[self.choice[rows]], durations / self.longest)
        least = -MOST_CUT * durations / speed
        before, after = np.maximum(self.before[rows], least), np.maximum(self.after[rows], least)
        room = np.maximum(self.longest - durations / speed, 0.0)
        shrink = np.minimum(1.0, room / np.maximum(before + after, 1e-9))
        return Stretch(speed, before * shrink, after * shrink)


def draw(
    count: int,
    *,
    speeds: tuple[int | float, ...],
    pad_seconds: int | float,
    crop_seconds: int | float = 0.0,
    longest: int | float,
    seed: int,
    epoch: int,
) -> Draws:
    """A random change for each of `count` examples.

    Args:
      speeds: factors to choose from, all equally likely.
      pad_seconds: at most this much silence on each side.
      crop_seconds: at most this much speech lost on each side that gets no silence, and no more than MOST_CUT of it.
      longest: seconds that no result exceeds: an example is slowed down and padded no further than that.
      seed, epoch: decide the draw, and nothing else does.
    """
    rng = generator(seed, epoch, STRETCH)
    choice = np.empty(count, np.uint8)
    for part in chunks(count):
        choice[part] = rng.integers(len(speeds), size=len(choice[part]))
    changes = pad_seconds or crop_seconds
    silence = rng.uniform(-crop_seconds, pad_seconds, (2, count)) if changes else np.broadcast_to(0.0, (2, count))
    return Draws(np.asarray(speeds, np.float64), choice, silence[0], silence[1], float(longest))


def draw_stretch(durations: Float[np.ndarray, " N"], **options: Any) -> Stretch:
    """A random change for each example, none of which is longer than `longest`; the options are those of `draw`."""
    return draw(len(durations), **options).of(slice(None), durations)


def shortest(
    durations: Float[np.ndarray, " N"],
    *,
    speeds: tuple[int | float, ...],
    crop_seconds: int | float = 0.0,
    longest: int | float,
) -> Float[np.ndarray, " N"]:
    """Seconds that no change of each example goes below; the arguments are those of `draw`."""
    lost = np.broadcast_to(-float(crop_seconds), len(durations))
    fastest = np.array([max(speeds)], np.float64)
    draws = Draws(fastest, np.zeros(len(durations), np.uint8), lost, lost, float(longest))
    return draws.of(slice(None), durations).seconds(durations)
