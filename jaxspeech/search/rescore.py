"""Chooses among the alternatives of a search by a second model of their texts.

score(text) = acoustic + a lm(text) + b length(text)

a, the weight of the language model, and b, the reward of each unit of length, are tuned on recordings whose texts are
known, for the fewest word errors:

    errors(a, b) = sum over recordings of the errors of the alternative with the highest score

As a function of a alone, each alternative's score is a line, so errors(a, b) only changes where the best line changes:
all values of a are tried at once, not a grid of them; then the same for b. Source: Och, "Minimum Error Rate Training in
Statistical Machine Translation" (2003).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

# The two parameters are tuned in turn until neither improves, but not more often than this.
MOST_ROUNDS = 10


class Weights(NamedTuple):
    """The parameters of the score: `lm`, of the language model, is a; `length` is b."""

    lm: float = 0.5
    length: float = 0.0


class Alternatives(NamedTuple):
    """The alternatives of one recording.

    Attributes:
      acoustic: log-probability of each, from its search, without a language model.
      lm: log-probability of each text, from the language model.
      length: of each text, for example its number of tokens.
      errors: word errors of each text, to tune the parameters; None where the right text is not known.
    """

    acoustic: Float[np.ndarray, " N"]
    lm: Float[np.ndarray, " N"]
    length: Float[np.ndarray, " N"]
    errors: Int[np.ndarray, " N"] | None = None


def rescored(found: Alternatives, weights: Weights) -> Float[np.ndarray, " N"]:
    """Returns the score of each alternative; one that a model finds impossible has -inf."""
    possible = np.isfinite(found.acoustic) & np.isfinite(found.lm)
    acoustic, lm = (np.where(possible, x, 0.0) for x in (found.acoustic, found.lm))
    return np.where(possible, acoustic + weights.lm * lm + weights.length * found.length, -np.inf)


def best(found: Alternatives, weights: Weights) -> int:
    """Returns the alternative with the highest score, the first of equal ones."""
    return int(rescored(found, weights).argmax())


def count_errors(recordings: Sequence[Alternatives], weights: Weights) -> int:
    """Counts the word errors of the chosen alternatives; each recording has `errors`."""
    return sum(int(_errors(found)[best(found, weights)]) for found in recordings)


def tune(
    recordings: Sequence[Alternatives], *, start: Weights | None = None, most: Weights | None = None
) -> tuple[Weights, int]:
    """Finds the parameters with the fewest word errors, and counts these.

    Of the intervals of values with as few errors, the middle of the longest is taken, so that scores which differ a
    little still choose the same.

    Args:
      recordings: alternatives with their errors.
      start: from which the parameters are changed in turn; by default no language model.
      most: bounds of the parameters, from 0 to `lm`, and from -`length` to `length`; by default 10 times the ratio of
        the means of the acoustic scores to those of the language model and of the lengths.
    """
    weights = start or Weights(0.0, 0.0)
    bounds = most or _bounds(recordings)
    errors = count_errors(recordings, weights)
    for _ in range(MOST_ROUNDS):
        before = errors
        for name, low, high in (("lm", 0.0, bounds.lm), ("length", -bounds.length, bounds.length)):
            value, found = _line_search(recordings, weights, name, low, high)
            if found < errors:
                weights, errors = weights._replace(**{name: value}), found
        if errors == before:
            break
    return weights, errors


def _line_search(
    recordings: Sequence[Alternatives], weights: Weights, name: str, low: float, high: float
) -> tuple[float, int]:
    """Finds the value of one parameter, within bounds, with the fewest errors; returns it and these."""
    others = weights._replace(**{name: 0.0})
    changes: dict[float, int] = {}  # where the sum of errors changes, and by how much
    total = 0
    for found in recordings:
        slopes, heights = np.asarray(getattr(found, name), np.float64), rescored(found, others)
        errors, here = _errors(found), low
        usable = np.isfinite(heights) & np.isfinite(slopes)
        if not usable.any():
            total += int(errors[0])
            continue
        slopes, heights, errors = slopes[usable], heights[usable], errors[usable]
        # At `here`, the highest line; of lines that meet there, the one that rises fastest.
        current = int(np.lexsort((-slopes, -(heights + here * slopes)))[0])
        total += int(errors[current])
        while True:
            steeper = slopes > slopes[current]
            if not steeper.any():
                break
            meets = np.full(len(slopes), np.inf)
            meets[steeper] = (heights[current] - heights[steeper]) / (slopes[steeper] - slopes[current])
            here = float(meets.min())
            if here >= high:
                break
            following = int(np.lexsort((-slopes, meets))[0])
            changes[here] = changes.get(here, 0) + int(errors[following]) - int(errors[current])
            current = following
    places = sorted(changes)
    if not places:
        return getattr(weights, name), total
    sums = np.cumsum([total, *(changes[place] for place in places)])
    # Beyond the last change nothing differs up to the bound, however far away it is: stay near the change.
    low, high = max(low, places[0] - _near(places[0])), min(high, places[-1] + _near(places[-1]))
    edges = np.array([low, *places, high])
    chosen = int(np.lexsort((-np.diff(edges), sums))[0])
    return float(edges[chosen : chosen + 2].mean()), int(sums[chosen])


def _near(value: float) -> float:
    return max(abs(value), 0.1) / 2


def _errors(found: Alternatives) -> Int[np.ndarray, " N"]:
    if found.errors is None:
        raise ValueError("the alternatives have no errors: count those of their texts first")
    return found.errors


def _bounds(recordings: Sequence[Alternatives]) -> Weights:
    acoustic, lm, length = (
        np.abs(np.concatenate([getattr(found, name) for found in recordings])) for name in ("acoustic", "lm", "length")
    )
    usable = np.isfinite(acoustic) & np.isfinite(lm)
    mean = acoustic[usable].mean() if usable.any() else 1.0
    return Weights(*(10 * mean / max(float(x[usable].mean()) if usable.any() else 0.0, 1e-3) for x in (lm, length)))
