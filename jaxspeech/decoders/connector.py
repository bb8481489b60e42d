"""What stands between a speech encoder and a language model: encoder frames -> frames of the model's width.

projection    y = W x + b
conformer     y = W encoder(x) + b               a few Conformer layers, as a rule without subsampling
multilayer    y = W [x_i; x_j; ...; x] + b       outputs of layers i, j, ... of the speech encoder, then its own

Source: NeMo's IdentityConnector, ConformerEncoder and MultiLayerProjectionConnector (speechlm2/modules/perception.py),
each with the projection that follows it or is part of it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.nn.initializers import dense

# Frames of the width that was asked for [B T D_out], and how many are real [B].
Connected = tuple[Float[Array, "B T_out D_out"], Int[Array, " B"]]


class Encoded(NamedTuple):
    """What a connector takes of the speech encoder.

    Attributes:
      frames, num_frames: its output.
      outputs: of the layers that the connector wants.
    """

    frames: Float[Array, "B T D"]
    num_frames: Int[Array, " B"]
    outputs: Sequence[Float[Array, "B T D"]]


class Connector(nn.Module):
    """Computes frames from those of the encoder, and projects them; this class projects the encoder's own frames.

    Attributes:
      dtype: of the projection's matrix product.
    """

    dtype: Any = jnp.float32

    @property
    def outputs_of(self) -> tuple[int, ...]:
        """The layers of the speech encoder whose outputs it takes."""
        return ()

    @property
    def factor(self) -> int:
        """Encoder frames per frame of the result."""
        return 1

    @nn.compact
    def __call__(
        self,
        encoded: Float[Array, "B T D"],
        num_frames: Int[Array, " B"],
        outputs: Sequence[Float[Array, "B T D"]] = (),
        *,
        width: int,
        train: bool = False,
    ) -> Connected:
        """Returns frames of `width` features.

        Args:
          encoded, num_frames: the encoder's frames.
          outputs: of the layers `outputs_of`.
          width: of the result.
          train: whether gradients will be computed.
        """
        x, num_frames = self.projected(Encoded(encoded, num_frames, outputs), train=train)
        return dense(width, x.shape[-1], name="out", dtype=self.dtype)(x), num_frames

    def projected(self, encoded: Encoded, *, train: bool) -> Connected:
        """Returns the frames that are projected."""
        del train
        return encoded.frames, encoded.num_frames


class Projection(Connector):
    """Projects the encoder's frames."""


class ConformerConnector(Connector, kw_only=True):
    """Encodes the encoder's frames again, and projects them.

    Attributes:
      encoder: a FastConformer over the frames, whose `subsampling_factor` is 1 as a rule.
    """

    encoder: Any

    @property
    def factor(self) -> int:
        """Encoder frames per frame of the result."""
        return self.encoder.total_factor

    def projected(self, encoded: Encoded, *, train: bool) -> Connected:
        """Returns the frames of the second encoder."""
        return self.encoder(encoded.frames, encoded.num_frames, train=train)


class MultiLayerProjection(Connector, kw_only=True):
    """Projects the outputs of several layers of the speech encoder side by side.

    Attributes:
      layers: their numbers, from 0, in ascending order.
      final: whether the encoder's own output is the last of them.
    """

    layers: tuple[int, ...]
    final: bool = True

    def __post_init__(self) -> None:
        if not self.layers or list(self.layers) != sorted(set(self.layers)):
            raise ConfigError(f"connector.layers is {self.layers}: give numbers of layers in ascending order")
        super().__post_init__()

    @property
    def outputs_of(self) -> tuple[int, ...]:
        """The layers of the speech encoder whose outputs it takes."""
        return self.layers

    def projected(self, encoded: Encoded, *, train: bool) -> Connected:
        """Returns the layers' frames side by side.

        Raises:
          ConfigError: the layers differ in their number of frames: one stands before a reduction of the encoder.
        """
        del train
        frames = [*encoded.outputs, encoded.frames] if self.final else list(encoded.outputs)
        sizes = {x.shape[1] for x in frames}
        if len(sizes) > 1:
            raise ConfigError(f"connector.layers {self.layers} have {sizes} frames: choose layers of one frame rate")
        return jnp.concatenate(frames, axis=-1), encoded.num_frames
