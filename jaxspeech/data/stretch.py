"""Draws the changes of length (speed, silence, cuts) of an epoch's utterances before its batches are planned.

    seconds = before + duration / speed + after

As batches are planned with the changed lengths, the padded shapes do not change and nothing is truncated; only the
changes of the longest examples are limited, so that each still fits the last bucket. Negative silence cuts speech away.
Of a recording that is longer than what is drawn for it, a stretch remains: a random one, its start or its end.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from jaxspeech.data.buckets import chunks
from jaxspeech.data.rng import STRETCH, generator

# Largest share of an utterance that may be cut from each end.
MOST_CUT = 0.3
# Where the stretch of a longer example lies that is not taken at a random place.
PLACES = {"start": 0.0, "end": 1.0}


class Stretch(NamedTuple):
    """One change for each example.

    Attributes:
      speed: 1.1 plays 1.1 times as fast, which also raises pitch and formants by the factor 1.1.
      before, after: seconds of silence around it; negative: seconds that are cut off.
    """

    speed: Float[np.ndarray, " N"]
    before: Float[np.ndarray, " N"]
    after: Float[np.ndarray, " N"]

    def seconds(self, durations: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        return self.before + durations / self.speed + self.after


class Draws(NamedTuple):
    """The changes of a whole epoch as drawn, before they are limited (a byte and two numbers per example).

    Attributes:
      speeds: factors to choose from.
      choice: index into `speeds` for each example.
      before, after: seconds of silence (negative: cut off), before they are limited.
      longest: most seconds of any result.
      most: seconds to which each example is cut if it is longer; None: none is cut.
      place: where its stretch lies, from 0 (at the start) to 1.
    """

    speeds: Float[np.ndarray, " K"]
    choice: UInt8[np.ndarray, " N"]
    before: Float[np.ndarray, " N"]
    after: Float[np.ndarray, " N"]
    longest: float
    most: Float[np.ndarray, " N"] | None = None
    place: Float[np.ndarray, " N"] | None = None

    def of(self, rows: Any, durations: Float[np.ndarray, " R"]) -> Stretch:
        """The limited changes of the examples `rows` (indices or a slice), whose durations are `durations`."""
        speed = self.speeds[self.choice[rows]]
        if self.most is None:
            speed = np.maximum(speed, durations / self.longest)
        least = -MOST_CUT * durations / speed
        before, after = np.maximum(self.before[rows], least), np.maximum(self.after[rows], least)
        room = np.maximum(self.longest - durations / speed, 0.0)
        shrink = np.minimum(1.0, room / np.maximum(before + after, 1e-9))
        before, after = before * shrink, after * shrink
        if self.most is not None and self.place is not None:
            over, place = durations / speed - np.minimum(self.most[rows], self.longest), self.place[rows]
            before = np.where(over > 0, -place * over, before)
            after = np.where(over > 0, -(1 - place) * over, after)
        return Stretch(speed, before, after)


def draw(
    count: int,
    *,
    speeds: tuple[int | float, ...],
    pad_seconds: int | float,
    crop_seconds: int | float = 0.0,
    crop_to: tuple[int | float, ...] = (),
    pad_after_seconds: int | float = 0.0,
    unpadded_share: int | float = 0.0,
    crop_from: str = "random",
    longest: int | float,
    seed: int,
    epoch: int,
) -> Draws:
    """Draw a random change for each of `count` examples.

    Args:
      count: number of examples.
      speeds: factors to choose from, all equally likely.
      pad_seconds: most silence on each side.
      crop_seconds: most speech cut from a side that gets no silence; never more than MOST_CUT of the utterance.
      crop_to: (least, most) seconds of the stretch that is taken of a longer example; () takes all of it.
      pad_after_seconds: least silence after an example that gets silence.
      unpadded_share: of the examples that get none, and of which nothing is cut.
      crop_from: where that stretch lies: at a "random" place, at the "start" or at the "end".
      longest: most seconds of any result: an example is not slowed down or padded beyond it.
      seed, epoch: determine the draw.
    """
    rng = generator(seed, epoch, STRETCH)
    choice = np.empty(count, np.uint8)
    for part in chunks(count):
        choice[part] = rng.integers(len(speeds), size=len(choice[part]))
    changes = pad_seconds or crop_seconds
    silence = rng.uniform(-crop_seconds, pad_seconds, (2, count)) if changes else np.broadcast_to(0.0, (2, count))
    if changes and pad_after_seconds:
        silence[1] = rng.uniform(pad_after_seconds, pad_seconds, count)
    if changes and unpadded_share:
        silence = np.where(rng.random(count) < unpadded_share, 0.0, silence)
    most, place = (rng.uniform(crop_to[0], crop_to[1], count), rng.random(count)) if crop_to else (None, None)
    if place is not None and crop_from in PLACES:
        place = np.broadcast_to(PLACES[crop_from], count)
    return Draws(np.asarray(speeds, np.float64), choice, silence[0], silence[1], float(longest), most, place)


def draw_stretch(durations: Float[np.ndarray, " N"], **options: Any) -> Stretch:
    """Draw a random change for each example, with no result longer than `longest`; the options are those of `draw`."""
    return draw(len(durations), **options).of(slice(None), durations)


def shortest(
    durations: Float[np.ndarray, " N"],
    *,
    speeds: tuple[int | float, ...],
    crop_seconds: int | float = 0.0,
    crop_to: tuple[int | float, ...] = (),
    longest: int | float,
) -> Float[np.ndarray, " N"]:
    """The least seconds that any change can give each example; the arguments are those of `draw`."""
    lost = np.broadcast_to(-float(crop_seconds), len(durations))
    fastest = np.array([max(speeds)], np.float64)
    draws = Draws(fastest, np.zeros(len(durations), np.uint8), lost, lost, float(longest))
    least = draws.of(slice(None), durations).seconds(durations)
    return np.minimum(least, crop_to[0]) if crop_to else least
