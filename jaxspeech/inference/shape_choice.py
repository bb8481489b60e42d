"""Decides which shapes are compiled: a few recordings are padded to a shape that there is already.

Compiling a program takes seconds, and computing padding takes little: for a few recordings, silence is cheaper than a
program of their own. For many it is not. So each shape has an account of the padding that its recordings have cost
without it; a shape whose account would exceed `MOST_PADDING_SECONDS` is compiled. At worst a process computes as much
padding for each shape as compiling it would have cost.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from jaxspeech.inference.batching import FULL_BATCH_SECONDS, Shape

# Seconds of audio. On two CPU cores a 115M model computes them in a second and compiles a shape in three; one of 600M
# computes them in five seconds and compiles in six.
MOST_PADDING_SECONDS = 60.0


class ShapeChoice:
    """The shapes that one function has been used with.

    Args:
      sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int):
        self._sample_rate = sample_rate
        self._known: list[tuple[int, int]] = []
        self._spent: Counter[tuple[int, int]] = Counter()  # samples of padding

    def choose(self, batches: Sequence[Shape], *, batch_size: int) -> list[Shape]:
        """Returns batches of the same recordings in fewer shapes, ordered by their first recording.

        Args:
          batches: as `plan_batches` returns them; those of long recordings are returned as they are.
          batch_size: the most rows of a batch.
        """
        alike: dict[tuple[int, int], list[Shape]] = {}
        for batch in sorted(batches, key=lambda batch: (-batch.length, -batch.rows)):
            alike.setdefault((batch.rows, batch.length), []).append(batch)
        chosen = []
        for own, some in alike.items():
            if own[1] > FULL_BATCH_SECONDS * self._sample_rate:
                chosen.extend(some)
            else:
                rows, length = self._shape_for(some, own, batch_size)
                chosen.extend(part for batch in some for part in _cut(batch, rows, length))
        return sorted(chosen, key=lambda batch: min(batch.indices))

    def _shape_for(self, batches: Sequence[Shape], own: tuple[int, int], batch_size: int) -> tuple[int, int]:
        """Returns the shape for batches that all have the shape `own` now."""
        fitting = [shape for shape in self._known if shape[0] <= batch_size and shape[1] >= own[1]]
        if own not in self._known and fitting:
            samples = {shape: sum(_samples(batch, *shape) for batch in batches) for shape in fitting}
            best = min(fitting, key=lambda shape: (samples[shape], shape))
            spent = self._spent[own] + samples[best] - len(batches) * own[0] * own[1]
            if spent <= MOST_PADDING_SECONDS * self._sample_rate:
                self._spent[own] = spent
                return best
        if own not in self._known:
            self._known.append(own)
        return own


def _samples(batch: Shape, rows: int, length: int) -> int:
    """The samples that the batch's recordings take in this shape."""
    return -(-len(batch.indices) // rows) * rows * length


def _cut(batch: Shape, rows: int, length: int) -> Iterator[Shape]:
    for start in range(0, len(batch.indices), rows):
        yield Shape(batch.indices[start : start + rows], rows, length)
