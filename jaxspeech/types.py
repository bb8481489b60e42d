"""The shape letters used in every signature, and the batch that flows through the package.

| letter | meaning                        | letter | meaning                                  |
|--------|--------------------------------|--------|------------------------------------------|
| B      | batch                          | U      | labels of a transcript                   |
| S      | audio samples                  | V      | vocabulary, without the blank            |
| F      | features (mel bins)            | D      | model width                              |
| T      | frames                         | H, K   | attention heads, width of a head         |
| N      | emitted tokens                 | L      | encoder layers                           |

Arrays are batch first and padded; a length array (`num_samples`, `num_frames`, `num_labels`, [B]) says how
much of each row is real. Nothing ever depends on what the padding holds.
"""

from typing import Any, NamedTuple

from jaxtyping import Float, Int

# The length of an axis: an int, or a symbol of `jax.export`, which traces one program for every length.
Size = Any
# Nested dicts of arrays: {"params": ..., "batch_stats": ...}.
Variables = dict[str, Any]


class Batch(NamedTuple):
    """A padded batch of utterances, as NumPy arrays on the host or JAX arrays on a device.

    Attributes:
      samples: waveforms at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
      labels: token ids of each transcript, below V.
      num_labels: real labels of each row.
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
    """

    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
    labels: Int[Any, "B U"]
    num_labels: Int[Any, " B"]
    index: Int[Any, " B"]


class BatchShape(NamedTuple):
    """The shape of a padded batch.

    Attributes:
      arrays: the batch's own type, of jax.ShapeDtypeStruct; the rows of all processes together.
      rows: rows of the batch.
      size: padded length of a row, in `unit`.
      unit: "s" of audio, or "tokens".
    """

    arrays: Any
    rows: int
    size: float
    unit: str = "s"

    def __str__(self) -> str:
        return (
            f"{self.rows} x {self.size:.2f} {self.unit}"
            if self.unit == "s"
            else f"{self.rows} x {self.size:.0f} {self.unit}"
        )
