"""Finds speech in recordings: the interface of a voice activity detector, and one based on the signal's level.

    floor(t)     = least level of 0.1 s within 1.5 s around t                         minimum statistics
    on(t)        = max(floor + 9 dB, level of the loud speech within 5 s - 35 dB)
    speech       = stretches above on - 4 dB that reach on somewhere                  two thresholds
    then stretches less than 0.2 s apart are joined, those under 0.1 s are dropped, and the others are extended, as the
    ends of words are faint.

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
PART_HOPS = 6000
SILENCE_DB = -100.0  # level of digital silence, relative to full scale


@runtime_checkable
class VoiceActivity(Protocol):
    """Finds speech in a recording."""

    def __call__(self, samples: Float[np.ndarray, " S"], sample_rate: int) -> list[Span]:
        """Return (start, end) in seconds of each stretch of speech, in order, without overlap, within the recording."""
        ...


@dataclass(frozen=True)
class EnergyDetector:
    """Detects whatever is louder than the noise around it. For quiet rooms: music and passing cars count as speech.

    Attributes:
      above_floor_db: speech starts at this level above the noise.
      range_db: speech starts no further than this below the loud speech nearby.
      hysteresis_db: speech continues as long as it is less than this below the level at which it starts.
      noise_seconds: width of the window around a frame for the noise level; it should contain a pause, at least one
        between two words.
      loud_seconds: width of the window around a frame for the level of loud speech.
      min_silence, min_speech: shorter silences and stretches of speech are ignored, in seconds.
      before, behind: each stretch of speech is extended by this much at its start and end, in seconds.
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
        """Find stretches of speech; none in silence, in steady noise or in less than 10 ms."""
        hop = round(HOP_SECONDS * sample_rate)
        power = _power(samples, hop)
        if not len(power):
            return []
        level, slow = _decibels(_average(power, 3)), _decibels(_average(power, 10))
        floor = _extreme(slow, self.noise_seconds, np.minimum)
        loud = _extreme(slow, self.loud_seconds, np.maximum)
        on = np.maximum(np.maximum(floor + self.above_floor_db, loud - self.range_db), SILENCE_DB + self.above_floor_db)
        spans = [
            (first, stop)
            for first, stop in _runs(level > on - self.hysteresis_db)
            if (level[first:stop] > on[first:stop]).any()
        ]
        joined = join(((a * hop / sample_rate, b * hop / sample_rate) for a, b in spans), gap=self.min_silence)
        spoken = ((a - self.before, b + self.behind) for a, b in joined if b - a >= self.min_speech)
        duration = len(samples) / sample_rate
        return join(((max(a, 0.0), min(b, duration)) for a, b in spoken), gap=0.0)


ENERGY_DETECTOR = EnergyDetector()


def join(spans: Iterable[Span], *, gap: float) -> list[Span]:
    """Join spans that are at most `gap` seconds apart."""
    joined: list[Span] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _power(samples: Float[np.ndarray, " S"], hop: int) -> Float[np.ndarray, " N"]:
    """The variance of each hop: unlike the mean square it ignores an offset, and most low-frequency hum."""
    blocks = samples[: len(samples) // hop * hop].reshape(-1, hop)
    # In parts, as numpy copies what it computes the variance of: an hour would take half a gigabyte.
    parts = [blocks[at : at + PART_HOPS].var(axis=1, dtype=np.float64) for at in range(0, len(blocks), PART_HOPS)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _average(power: Float[np.ndarray, " N"], size: int) -> Float[np.ndarray, " N"]:
    """The mean of `size` neighbouring frames."""
    padded = np.pad(power, (size // 2, (size - 1) // 2), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, size).mean(-1)


def _decibels(power: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    return 10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))


def _extreme(level: Float[np.ndarray, " N"], seconds: float, pick: np.ufunc) -> Float[np.ndarray, " N"]:
    """The least or greatest level within `seconds` around each frame, by doubling the width that is covered."""
    size = max(min(round(seconds / HOP_SECONDS), len(level)), 1)
    padded = np.pad(level, size // 2, mode="edge") if size > 1 else level
    known = 1
    while known < size:
        step = min(known, size - known)
        padded = pick(padded[:-step], padded[step:])
        known += step
    return padded[: len(level)]


def _runs(active: Bool[np.ndarray, " N"]) -> list[tuple[int, int]]:
    """The (start, stop) of each stretch of True."""
    edges = np.flatnonzero(np.diff(np.r_[False, active, False].astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
