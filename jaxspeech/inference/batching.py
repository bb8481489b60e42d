"""Groups recordings into padded batches for inference: few shapes to compile, little padding to compute.

Lengths are padded to one of three sizes in an octave (..., 8, 10, 12, 16, 20, 24, 32 s), and above that to one of
eight (36, 40, 44, ... s); the number of rows to a power of four, or to the whole batch.
"""

from collections.abc import Mapping
from typing import NamedTuple

# Up to this length a batch has as many rows as asked for. Attention's memory grows with the square of the length, so
# for longer audio the number of rows shrinks with that square.
FULL_BATCH_SECONDS = 40.0
# A batch's shortest row is at least this fraction of its longest, and at least this fraction of its rows is real.
MIN_FILL = 0.75


class Shape(NamedTuple):
    """A batch of recordings that go through the model together.

    Attributes:
      indices: of the recordings, longest first.
      rows: of the padded batch, at least len(indices).
      length: of the padded batch, in samples.
    """

    indices: tuple[int, ...]
    rows: int
    length: int


def padded_length(num_samples: int, *, sample_rate: int) -> int:
    """The shortest padded length (see the top of this file) that holds `num_samples`; half a second at least."""
    octave = sample_rate // 2
    while True:
        short = octave < FULL_BATCH_SECONDS * sample_rate / 2
        for eighths in (8, 10, 12) if short else range(8, 16):
            length = octave * eighths // 8
            if length >= num_samples:
                return length
        octave *= 2


def row_counts(batch_size: int) -> list[int]:
    """The numbers of rows that batches have: 1, 4, 16, ... and `batch_size`."""
    powers = [4**k for k in range(16) if 4**k < batch_size]
    return [*powers, batch_size]


def plan_batches(lengths: Mapping[int, int], *, batch_size: int, sample_rate: int) -> list[Shape]:
    """Plans batches of similar lengths that hold every recording once, ordered by their first recording.

    Args:
      lengths: samples of each recording, by its index.
      batch_size: rows of a batch whose recordings are at most `FULL_BATCH_SECONDS` long.
      sample_rate: in Hz.
    """
    order = sorted(lengths, key=lambda i: (-lengths[i], i))
    batches = []
    while order:
        longest = lengths[order[0]]
        length = padded_length(longest, sample_rate=sample_rate)
        shrink = min(1.0, FULL_BATCH_SECONDS * sample_rate / length) ** 2
        counts = row_counts(max(1, int(batch_size * shrink)))
        alike = sum(lengths[i] >= MIN_FILL * longest for i in order[: counts[-1]])
        rows = max(count for count in counts if alike >= MIN_FILL * count)
        batches.append(Shape(tuple(order[:rows][:alike]), rows, length))
        order = order[len(batches[-1].indices) :]
    return sorted(batches, key=lambda batch: min(batch.indices))
