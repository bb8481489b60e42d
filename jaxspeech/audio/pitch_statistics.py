"""Gathers the mean and the deviation of pitch over recordings, and normalises pitch with them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import ArchiveError


class PitchStatistics(NamedTuple):
    """The mean and the standard deviation of voiced frames, in Hz, with which pitch is normalised."""

    mean: float
    std: float

    def normalize(self, pitch: Float[np.ndarray, "*T"]) -> Float[np.ndarray, "*T"]:
        """Returns pitch in standard deviations from the mean; frames that are not voiced stay 0."""
        return np.where(pitch > 0, (pitch - self.mean) / self.std, 0).astype(np.float32)

    def config(self) -> dict[str, float]:
        """Returns both numbers: the statistics are an asset of a model that was trained with them."""
        return {"mean": self.mean, "std": self.std}

    def files(self) -> dict[str, bytes]:
        """Returns no file."""
        return {}

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "PitchStatistics":
        """Makes the asset from its config.

        Raises:
          ArchiveError: it is damaged.
        """
        del files
        try:
            return cls(float(config["mean"]), float(config["std"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ArchiveError(f"the statistics of pitch cannot be read ({error})") from error


class PitchSums(NamedTuple):
    """Sums over voiced frames, of which the statistics follow, whatever the order of the recordings."""

    frames: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, pitch: Float[np.ndarray, " T"]) -> "PitchSums":
        """Returns the sums with those of a recording."""
        voiced = np.asarray(pitch[pitch > 0], np.float64)
        return PitchSums(
            self.frames + len(voiced), self.total + float(voiced.sum()), self.squares + float((voiced**2).sum())
        )

    def statistics(self) -> PitchStatistics:
        """Returns the statistics; of no voiced frame, or of a constant pitch, numbers that change nothing."""
        if not self.frames:
            return PitchStatistics(0.0, 1.0)
        mean = self.total / self.frames
        variance = self.squares / self.frames - mean**2
        return PitchStatistics(mean, float(np.sqrt(variance)) if variance > 1e-6 * mean**2 else 1.0)
