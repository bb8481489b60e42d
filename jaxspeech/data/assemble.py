"""A planned batch made real: its examples loaded, augmented and padded into one Batch."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.data.augment import Augment
from jaxspeech.data.epochs import PlannedBatch
from jaxspeech.data.plan import Bucket
from jaxspeech.data.rng import generator
from jaxspeech.data.stretch import Stretch
from jaxspeech.data.utterances import Utterances, name_entry
from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.tasks import recognition
from jaxspeech.types import BatchShape

# Seconds are rounded to samples when a file is read, resampled, sped up and padded: a bucket has room for that.
ROUNDING_SAMPLES = 16


class Assembler:
    """`assemble(planned)`: an example that cannot be loaded becomes a filler row, counted and named.

    Attributes:
      shapes: (rows, samples, labels) of each bucket's batches, of all processes together.
    """

    def __init__(
        self,
        utterances: Utterances,
        buckets: Sequence[Bucket],
        *,
        shortest: Float[np.ndarray, " N"],
        sample_rate: int,
        share: tuple[int, int],
        seed: int = 0,
        augment: Augment | None = None,
    ):
        self._utterances = utterances
        self._seed = seed
        self._augment = augment
        self._share = share
        _, count = share
        if any(bucket.batch_size % count for bucket in buckets):
            raise ConfigError(f"batches of {[b.batch_size for b in buckets]} cannot be split between {count} processes")
        seconds = np.array([bucket.seconds for bucket in buckets])
        samples = np.ceil(seconds * sample_rate).astype(int) + ROUNDING_SAMPLES
        widths = utterances.label_widths(shortest, seconds)
        self._sizes = [(bucket.batch_size, int(s), u) for bucket, s, u in zip(buckets, samples, widths, strict=True)]
        self.shapes = tuple(_shape(*sizes, sample_rate) for sizes in self._sizes)

    def __call__(self, planned: PlannedBatch) -> recognition.Utterances:
        self._utterances.fetch(planned.next_shards)
        rows, num_samples, num_labels = self._sizes[planned.bucket]
        part, parts = self._share
        mine = slice(rows // parts * part, rows // parts * (part + 1))
        batch = recognition.Utterances(
            samples=np.zeros((rows // parts, num_samples), np.float32),
            num_samples=np.zeros(rows // parts, np.int32),
            labels=np.zeros((rows // parts, num_labels), np.int32),
            num_labels=np.zeros(rows // parts, np.int32),
            index=planned.index[mine].astype(np.int32),
        )
        copies, stretch = planned.copy[mine], Stretch(*(values[mine] for values in planned.stretch))
        for row in np.flatnonzero(batch.index >= 0):
            index = int(batch.index[row])
            try:
                samples = self._samples(index, planned.epoch, int(copies[row]), *(float(v[row]) for v in stretch))
                if len(samples) > num_samples:
                    raise AudioError(f"is longer than its manifest says ({len(samples)} samples for {num_samples})")
            except AudioError as error:
                batch.index[row] = -1
                self._skip(index, error)
                continue
            labels = self._utterances.labels(index)
            batch.samples[row, : len(samples)] = samples
            batch.labels[row, : len(labels)] = labels
            batch.num_samples[row], batch.num_labels[row] = len(samples), len(labels)
        return batch

    def _samples(self, index: int, epoch: int, copy: int, speed: float, before: float, after: float) -> np.ndarray:
        samples = self._utterances.samples(index)
        if self._augment is None:
            return samples
        rng = generator(self._seed, epoch, index, copy=copy)
        return self._augment(samples, speed=speed, before=before, after=after, rng=rng)

    def _skip(self, index: int, error: AudioError) -> None:
        problems = self._utterances.manifest.problems
        problems.add(name_entry(self._utterances.manifest[index]), str(error))
        problems.check(len(self._utterances))


def _shape(rows: int, samples: int, labels: int, rate: int) -> BatchShape:
    struct = jax.ShapeDtypeStruct
    count = struct((rows,), np.int32)
    arrays = recognition.Utterances(
        struct((rows, samples), np.float32), count, struct((rows, labels), np.int32), count, count
    )
    return BatchShape(arrays, rows, samples / rate)
