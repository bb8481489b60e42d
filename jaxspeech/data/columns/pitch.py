"""The pitch column: the pitch of each mel frame of a recording, normalised, 0 where nothing is voiced."""

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.pitch_cache import PitchCache
from jaxspeech.audio.pitch_statistics import PitchStatistics, PitchSums
from jaxspeech.data.columns.column import Column, Examples
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.variant import STILL, Variant
from jaxspeech.errors import AudioError, ManifestError

# Most recordings whose pitch is analysed for the statistics, evenly spaced.
MOST_ANALYSED = 2000


def pitch(samples: Column, cache: PitchCache, statistics: PitchStatistics, *, sample_rate: int) -> Column:
    """Make the column.

    Args:
      samples: the column of the recordings, which must not change their speed.
      cache: extracts pitch.
      statistics: of the training data.
      sample_rate: in Hz.
    """

    def row(example: int, variant: Variant) -> Float[np.ndarray, " T"]:
        return statistics.normalize(cache(samples.row(example, variant), sample_rate))

    def widths(
        examples: Examples, shortest: Float[np.ndarray, " K"], bucket_seconds: Float[np.ndarray, " b"]
    ) -> tuple[int, ...]:
        found = () if samples.widths is None else samples.widths(examples, shortest, bucket_seconds)
        return tuple(width // cache.hop + 1 for width in found)

    return Column(np.float32, (), widths, samples.usable, row, counted=False)


def pitch_statistics(manifest: Manifest, samples: Column, cache: PitchCache, *, sample_rate: int) -> PitchStatistics:
    """Gathers the mean and the deviation of pitch over the voiced frames of at most `MOST_ANALYSED` recordings.

    Recordings that cannot be read are left out; training reports them.

    Args:
      manifest: the training data.
      samples: the column of its recordings.
      cache: extracts pitch, and keeps it for the column.
      sample_rate: in Hz.
    """
    count = min(len(manifest), MOST_ANALYSED)
    sums = PitchSums()
    for example in (np.arange(count) * len(manifest) // max(count, 1)).tolist():
        try:
            sums = sums.add(cache(samples.row(example, STILL), sample_rate))
        except (AudioError, ManifestError):
            continue
    return sums.statistics()
