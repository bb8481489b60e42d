"""What all encoders have in common."""

from typing import Any, Protocol, runtime_checkable

from jaxtyping import Array, Float, Int


@runtime_checkable
class Encoder(Protocol):
    """A Flax module from features to frames; whatever lies beyond `num_frames` never matters, in or out.

    Attributes:
      total_factor: features for one frame.
      output_dim: D of the frames.
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
          (encoded [B T_out D], num_frames [B]); with `return_layers` a third value, the list of what enters the first
          layer and of each layer's output. What lies beyond num_frames is finite and means nothing.
        """
        ...
