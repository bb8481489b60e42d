"""Where somebody speaks: the interface of a detector, and one that goes by the signal's level.

    floor(t)     = least level of 0.1 s within 1.5 s around t                         minimum statistics
    on(t)        = max(floor + 9 dB, level of the loud speech within 5 s - 35 dB)
    speech       = stretches above on - 4 dB that reach on somewhere                  two thresholds
    then stretches with less than 0.2 s between them are joined, those under 0.1 s dropped, and each is prolonged, as
    the ends of words are faint.

Sources: two thresholds on the energy: Rabiner and Sambur, "An Algorithm for Determining the Endpoints of Isolated
Utterances" (1975); the floor: Martin, "Noise Power Spectral Density Estimation Based on Optimal Smoothing and Minimum
Statistics" (2001).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

Span = tuple[float, float]

HOP_SECONDS = 0.01
SILENCE_DB = -100.0  # of digital silence; full scale is 0 dB


@runtime_checkable
class VoiceActivity(Protocol):
    """Finds speech in a recording."""

    def __call__(self, samples: Float[np.ndarray, " S"], sample_rate: int) -> list[Span]:
        """(start, end) in seconds of each stretch of speech, in order, without overlap, within the recording."""
        ...


@dataclass(frozen=True)
class EnergyDetector:
    """Speech is what is louder than the noise around it. For quiet rooms; music and passing cars are speech to it.

    Attributes:
      above_floor_db: how much louder than the noise speech is.
      range_db: how much fainter than the loud speech nearby it may be.
      hysteresis_db: how much fainter it may go on.
      noise_seconds: in so much time around every frame there is a pause, be it between two words.
      loud_seconds: time around a frame in which the loud speech is looked for.
      min_silence, min_speech: of shorter ones nothing is made, in seconds.
      before, behind: speech begins so much earlier and ends so much later, in seconds.
    """

    above_floor_db: float = 9.0
    range_db: float = 35.0
    hysteresis_db: float = 4.0
    noise_seconds: float = 3.0
    loud_seconds: float = 10.0
    min_silence: float = 0.2
    min_speech: float = 0.1
    before: float = 0.1
    behind: float = 0.15

    def __call__(self, samples: Float[np.ndarray, " S"], sample_rate: int) -> list[Span]:
        """Stretches of speech; none in silence, in steady noise or in less than 10 ms."""
        hop = round(HOP_SECONDS * sample_rate)
        power = _power(samples, hop)
        if not len(power):
            return []
        level, slow = _decibels(_average(power, 3)), _decibels(_average(power, 10))
        floor = _extreme(slow, self.noise_seconds, np.minimum)
        loud = _extreme(slow, self.loud_seconds, np.maximum)
        on = np.maximum(np.maximum(floor + self.above_floor_db, loud - self.range_db), SILENCE_DB + self.above_floor_db)
        spans = [
            (first, behind)
            for first, behind in _runs(level > on - self.hysteresis_db)
            if (level[first:behind] > on[first:behind]).any()
        ]
        joined = join(((a * hop / sample_rate, b * hop / sample_rate) for a, b in spans), gap=self.min_silence)
        spoken = ((a - self.before, b + self.behind) for a, b in joined if b - a >= self.min_speech)
        duration = len(samples) / sample_rate
        return join(((max(a, 0.0), min(b, duration)) for a, b in spoken), gap=0.0)


ENERGY_DETECTOR = EnergyDetector()


def join(spans: Iterable[Span], *, gap: float) -> list[Span]:
    """Spans with at most `gap` seconds between them become one."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _power(samples: Float[np.ndarray, " S"], hop: int) -> Float[np.ndarray, " N"]:
    """Variance of each hop: an offset, and much of what hums, is no power."""
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    return blocks.var(axis=1, dtype=np.float64)


def _average(power: Float[np.ndarray, " N"], size: int) -> Float[np.ndarray, " N"]:
    """Mean of `size` neighbours."""
    padded = np.pad(power, (size // 2, (size - 1) // 2), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, size).mean(-1)


def _decibels(power: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))


def _extreme(level: Float[np.ndarray, " N"], seconds: float, pick: np.ufunc) -> Float[np.ndarray, " N"]:
    """Least or greatest level within `seconds` around each frame, by doubling the stretch that each place knows."""
    size = max(min(round(seconds / HOP_SECONDS), len(level)), 1)
    padded = np.pad(level, size // 2, mode="edge") if size > 1 else level
    known = 1
    while known < size:
        step = min(known, size - known)
        padded = pick(padded[:-step], padded[step:])
        known += step
    return padded[: len(level)]


def _runs(active: Bool[np.ndarray, " N"]) -> list[tuple[int, int]]:
    """(first, behind the last) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, active, False].astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
