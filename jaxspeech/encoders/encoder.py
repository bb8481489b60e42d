"""The protocol that all encoders implement."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int

from jaxspeech.encoders.layer_outputs import Layer


@runtime_checkable
class Encoder(Protocol):
    """A Flax module that encodes feature frames; padding beyond `num_frames` never affects the real frames.

    Attributes:
      total_factor: feature frames per encoder frame.
      output_dim: D, the width of the encoder frames.
      depth: number of layers.
    """

    @property
    def total_factor(self) -> int: ...
    @property
    def output_dim(self) -> int: ...
    @property
    def depth(self) -> int: ...

    def __call__(
        self,
        features: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        *,
        train: bool = False,
        layers: Sequence[Layer] | None = None,
    ) -> Any:
        """Encodes features.

        Returns:
          (encoded [B T_out D], num_frames [B]); with `layers` a third value, the list of the outputs of these layers
          (see `encoders.layer_outputs`). Values beyond num_frames are finite but meaningless.
        """
        ...
