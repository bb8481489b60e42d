"""The heads of classifiers: of a whole recording, or of each frame.

    recording: logits = W pool(x) + b
    frame:     logits = W act(... act(W_0 x + b_0) ...) + b

Source: `ConvASRDecoderClassification` and `MultiLayerPerceptron` of NeMo.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import did_you_mean
from jaxspeech.masks import length_mask
from jaxspeech.nn.initializers import dense
from jaxspeech.types import Size

POOLINGS = ("mean", "max")
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}


class PooledHead(nn.Module):
    """Pools a recording's frames, then projects them to logits.

    Attributes:
      pooling: "mean" or "max", over the real frames only.
    """

    pooling: str = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pooling not in POOLINGS:
            raise TypeError(f"pooling {self.pooling!r}{did_you_mean(self.pooling, POOLINGS)}")

    @nn.compact
    def __call__(
        self, encoded: Float[Array, "B T D"], real: Bool[Array, "B T"], *, num_classes: Size
    ) -> Float[Array, "B C"]:
        """Computes the logits, in float32; a row without a real frame gives those of zeros."""
        x, real = encoded.astype(jnp.float32), real[..., None]
        if self.pooling == "max":
            pooled = jnp.where(real, x, -jnp.inf).max(1)
            pooled = jnp.where(real.any(1), pooled, 0)
        else:
            pooled = jnp.where(real, x, 0).sum(1) / jnp.maximum(real.sum(1), 1)
        glorot = nn.initializers.glorot_uniform()
        return nn.Dense(num_classes, kernel_init=glorot, name="out")(pooled)

    def logits(
        self, encoded: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, num_classes: Size, train: bool = False
    ) -> Float[Array, "B C"]:
        """Computes the logits of recordings with these numbers of real frames."""
        del train
        return self(encoded, length_mask(num_frames, encoded.shape[1]), num_classes=num_classes)


class FrameHead(nn.Module):
    """Projects each frame to logits, through `num_layers` - 1 hidden layers as wide as the frames.

    Attributes:
      num_layers: number of projections.
      activation: "relu", "sigmoid" or "tanh", of the hidden layers.
    """

    num_layers: int = 1
    activation: str = "relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.num_layers, int) or self.num_layers < 1:
            raise TypeError(f"num_layers is {self.num_layers!r}; it must be a positive integer")
        if self.activation not in ACTIVATIONS:
            raise TypeError(f"activation {self.activation!r}{did_you_mean(self.activation, ACTIVATIONS)}")

    @nn.compact
    def __call__(self, encoded: Float[Array, "B T D"], *, num_classes: Size) -> Float[Array, "B T C"]:
        """Computes the logits, in float32."""
        x = encoded.astype(jnp.float32)
        width = x.shape[-1]
        for i in range(self.num_layers - 1):
            x = ACTIVATIONS[self.activation](dense(width, width, name=f"hidden_{i}", dtype=jnp.float32)(x))
        return dense(num_classes, width, name="out", dtype=jnp.float32)(x)
