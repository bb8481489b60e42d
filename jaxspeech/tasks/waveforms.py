"""A batch of recordings of which nothing but the audio is used, as vocoders and codecs take it."""

from typing import Any, NamedTuple

from jaxtyping import Float, Int


class Waveforms(NamedTuple):
    """A padded batch of recordings.

    Attributes:
      index: each row's place in the dataset; -1 marks a filler row, which counts nowhere.
      samples: at the model's sample rate, in [-1, 1].
      num_samples: real samples of each row.
    """

    index: Int[Any, " B"]
    samples: Float[Any, "B S"]
    num_samples: Int[Any, " B"]
