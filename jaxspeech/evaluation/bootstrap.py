"""Bootstrap intervals of error rates: a set is drawn again from its utterances, with repetition, many times.

    rate = sum of errors / sum of lengths;  interval = percentiles of the rates of the drawn sets

Utterances are drawn, not words, as the errors within one depend on each other; utterances of one speaker do so too,
which this ignores. Two systems are compared on the same drawn sets.

Source: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.text.error_rate import ErrorCounts

SAMPLES, SEED, LEVEL = 2000, 0, 0.95
# Drawn utterances that are held at once.
MOST_AT_ONCE = 4_000_000


class Interval(NamedTuple):
    """The ends of an interval that holds a rate with probability `LEVEL`; 0.05 is 5 %."""

    low: float
    high: float


def interval(counts: Sequence[ErrorCounts], *, samples: int = SAMPLES, seed: int = SEED) -> Interval | None:
    """The interval of the error rate of a set; None where no reference has a word.

    Args:
      counts: of each utterance.
      samples: how many sets are drawn.
      seed: the same one gives the same interval.
    """
    errors, lengths = _drawn([[c.errors for c in counts], [c.length for c in counts]], samples, seed)
    return _percentiles(errors, lengths)


def difference(
    one: Sequence[ErrorCounts], other: Sequence[ErrorCounts], *, samples: int = SAMPLES, seed: int = SEED
) -> Interval | None:
    """The interval of (rate of `other` - rate of `one`), of two systems on the same utterances."""
    columns = [[b.errors - a.errors for a, b in zip(one, other, strict=True)], [a.length for a in one]]
    return _percentiles(*_drawn(columns, samples, seed))


def _drawn(columns: Sequence[Sequence[int]], samples: int, seed: int) -> list[Int[np.ndarray, " R"]]:
    """Sums of each column over the utterances of each drawn set."""
    values = np.array(columns, np.int64).reshape(len(columns), -1)
    count, generator = values.shape[1], np.random.default_rng(seed)
    if not count:
        return [np.zeros(0, np.int64)] * len(columns)
    step = max(1, MOST_AT_ONCE // count)
    parts = [
        values[:, generator.integers(0, count, (min(step, samples - begin), count))].sum(-1)
        for begin in range(0, samples, step)
    ]
    return list(np.concatenate(parts, 1))


def _percentiles(errors: Int[np.ndarray, " R"], lengths: Int[np.ndarray, " R"]) -> Interval | None:
    rates: Float[np.ndarray, " R"] = errors[lengths > 0] / lengths[lengths > 0]
    if not len(rates):
        return None
    low, high = np.quantile(rates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(low, high) if math.isfinite(low) and math.isfinite(high) else None
