"""What a quantizer makes of frames."""

from typing import NamedTuple

from jaxtyping import Array, Float, Int


class Quantized(NamedTuple):
    """Quantized frames.

    Attributes:
      values: zero beyond each row's frames.
      ids: C numbers of each frame, 0 beyond a row's frames (a number like any other).
      commitment: how far the frames were from their values, for training; 0 if a quantizer has nothing to pull them
        by.
    """

    values: Float[Array, "B T D"]
    ids: Int[Array, "B C T"]
    commitment: Float[Array, " B"]
