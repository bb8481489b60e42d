"""Selects the layers of an encoder whose outputs it returns beside its own.

    encoded, num_frames, outputs = encoder(features, num_frames, layers=(3, 7))

Layers are numbered from 0, as in NeMo. An output is what the encoder would return if it ended after that layer: it has
passed the reduction that follows the layer, and the projection to the encoder's output.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError

# The number of a layer, or the frames that the first layer takes.
Layer = int | Literal["input"]
INPUT = "input"


class LayerOutput(NamedTuple):
    """The frames after one layer; values beyond num_frames are finite but meaningless.

    Attributes:
      frames: of a width and a frame rate that can differ from layer to layer.
      num_frames: real frames of each row.
    """

    frames: Float[Array, "B T D"]
    num_frames: Int[Array, " B"]


def wanted_layers(layers: Sequence[Layer] | None, depth: int) -> frozenset[Layer]:
    """Returns the layers that an encoder of `depth` layers keeps; None keeps none.

    Raises:
      ConfigError: there is no such layer.
    """
    wanted = frozenset(layers or ())
    for layer in wanted:
        if layer != INPUT and not (type(layer) is int and 0 <= layer < depth):
            raise ConfigError(f"layers has {layer!r}: layers are 0 to {depth - 1}, and {INPUT!r} before the first one")
    return wanted


def with_outputs(
    x: Float[Array, "B T D"],
    num_frames: Int[Array, " B"],
    layers: Sequence[Layer] | None,
    kept: Mapping[Layer, LayerOutput],
) -> Any:
    """Returns what an encoder returns: (x, num_frames), and the outputs that were kept, in the order of `layers`."""
    return (x, num_frames) if layers is None else (x, num_frames, [kept[layer] for layer in layers])
