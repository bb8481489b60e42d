"""The protocol that all encoders implement."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int


@runtime_checkable
class Encoder(Protocol):
    """A Flax module that encodes feature frames; padding beyond `num_frames` never affects the real frames.

    Attributes:
      total_factor: feature frames per encoder frame.
      output_dim: D, the width of the encoder frames.
    """

    @property
    def total_factor(self) -> int: ...
    @property
    def output_dim(self) -> int: ...

    def __call__(
        self,
        features: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        *,
        train: bool = False,
        return_layers: bool = False,
    ) -> Any:
        """Encodes features.

        Returns:
          (encoded [B T_out D], num_frames [B]); with `return_layers` a third value, the list of the first layer's input
          and each layer's output. Values beyond num_frames are finite but meaningless.
        """
        ...
