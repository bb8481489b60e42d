"""Extracts the pitch of speech with Praat's autocorrelation method (Boersma, 1993), one value for each mel frame.

Praat comes with `pip install praat-parselmouth`, part of the extra "synthesis". It takes about 5 ms per second of
audio; the pYIN that NeMo uses takes 500.
"""

import importlib
import importlib.util
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import ConfigError

MISSING = 'pitch is extracted by Praat, which is not installed: python -m pip install "jaxspeech[synthesis]"'
# Longer recordings are analysed in parts, which overlap by as much as the choice of a path through them needs.
LONGEST, OVERLAP = 120.0, 1.0  # seconds


class PitchRange(NamedTuple):
    """Where pitch is looked for, in Hz.

    The default holds nearly all speech. A range around one speaker has fewer octave errors.
    """

    low: float = 65.0
    high: float = 600.0

    def check(self, sample_rate: int) -> None:
        """Checks the range.

        Raises:
          ConfigError: it is empty, or beyond what the sample rate can hold.
        """
        if not 20 <= self.low < self.high <= sample_rate / 2:
            raise ConfigError(
                f"pitch from {self.low:g} to {self.high:g} Hz: it must lie between 20 and {sample_rate / 2:g} Hz"
            )


def extract_pitch(
    samples: Float[np.ndarray, " S"], sample_rate: int, *, hop: int, within: PitchRange | None = None
) -> Float[np.ndarray, " T"]:
    """Extracts the fundamental frequency at every hop-th sample, where the frames of `MelSpectrogram` are centred.

    Args:
      samples: of one recording.
      sample_rate: in Hz.
      hop: samples from frame to frame.
      within: the range; None: the default of `PitchRange`.

    Returns:
      S // hop + 1 values in Hz, float32; 0 where the frame is not voiced.

    Raises:
      ConfigError: Praat is not installed, or the range cannot be used.
    """
    within = within or PitchRange()
    within.check(sample_rate)
    x = np.asarray(samples, np.float64)
    frames = len(x) // hop + 1
    if not np.any(x):
        return np.zeros(frames, np.float32)
    part, overlap = (max(round(seconds * sample_rate / hop), 1) for seconds in (LONGEST, OVERLAP))
    track = partial(_track, praat(), x, sample_rate, hop, within)
    found = np.zeros(frames, np.float32)
    for start in range(0, frames, part):
        first, end = max(start - overlap, 0), min(start + part, frames)
        found[start:end] = track(first, min(end + overlap, frames))[start - first : end - first]
    return found


def has_praat() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("parselmouth") is not None


def praat() -> Any:
    """Imports the library.

    Raises:
      ConfigError: it is not installed.
    """
    try:
        return importlib.import_module("parselmouth")
    except ImportError:
        raise ConfigError(MISSING) from None


def _track(
    library: Any, x: Float[np.ndarray, " S"], sample_rate: int, hop: int, within: PitchRange, first: int, end: int
) -> Float[np.ndarray, " T"]:
    """The pitch of the frames first, .., end - 1.

    Praat puts as many windows of three periods of the lowest pitch as fit, `hop` apart, around the middle of a sound.
    The margins are such that there are as many as frames: each window is around its frame.
    """
    count = end - first
    margin = int(np.ceil((3 / within.low * sample_rate + hop / 2) / 2))
    padded = np.zeros((count - 1) * hop + 2 * margin)
    start = first * hop - margin
    inside = x[max(start, 0) : start + len(padded)]
    padded[max(-start, 0) : max(-start, 0) + len(inside)] = inside
    sound = library.Sound(padded, sampling_frequency=sample_rate)
    found = sound.to_pitch_ac(time_step=hop / sample_rate, pitch_floor=within.low, pitch_ceiling=within.high)
    values = np.asarray(found.selected_array["frequency"], np.float32)
    if len(values) == count:
        return values
    times = np.arange(count) * hop + margin
    nearest = np.abs(np.asarray(found.xs())[:, None] * sample_rate - times).argmin(0)
    return values[nearest]
