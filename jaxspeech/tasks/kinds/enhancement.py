"""A model that cleans or separates speech."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Float


class Enhancement(NamedTuple):
    """Noisy or mixed speech to clean speech.

    Attributes:
      sample_rate: of the waveforms, in Hz.
      channels: number of channels that a recording must have; None: any number.
      enhance: (variables, samples [B C S], num_samples [B]) -> samples [B M S], zeros after the last sample of a row.
        With the options below it takes one keyword each.
      scaled: whether the model divides a row by its peak; the keyword `peak` [B] is that of the whole recording of
        which a row is a part, and None, the default, that of the row.
      random: whether the model draws noise; the keyword `key` is a random key for each row [B], or one for all of them,
        so that a row does not depend on the others; by default always the same one.
    """

    sample_rate: int
    channels: int | None
    enhance: Callable[..., Float[Array, "B M S"]]
    scaled: bool = False
    random: bool = False
