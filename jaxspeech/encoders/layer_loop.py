"""Runs the layers of a `FastConformer` one by one: separate parameters, skips between layers, a lower frame rate."""

import math
from collections.abc import Callable, Collection
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.conformer_layer import ConformerLayer, LayerContext
from jaxspeech.encoders.layer_outputs import Layer, LayerOutput
from jaxspeech.encoders.layer_scan import rematerialised
from jaxspeech.encoders.placed_kernels import Kernels
from jaxspeech.encoders.shared_layer import apply_shared, can_share
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.subsampling import ConvSubsampling

# What the layers share, and their fields.
Shared = tuple[LayerContext, dict[str, Any]]


def loop_layers(
    encoder: Any,
    x: Float[Array, "B T D"],
    num_frames: Int[Array, " B"],
    shared: Shared,
    kernels: Kernels,
    *,
    conditions: Kernels,
    reduced: Callable[[Array, Array], Shared],
    keep: Collection[Layer],
    train: bool,
) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"], dict[Layer, LayerOutput]]:
    """Runs all layers, and the kernels after them.

    Args:
      encoder: whose compact method calls this.
      x, num_frames: input of the first layer.
      shared: by the layers.
      kernels: by their place.
      conditions: what follows a layer, by its number; the outputs to keep are those before it.
      reduced: computes what the layers after a reduction share, from their input.
      keep: the layers whose outputs are returned.
      train: whether gradients will be computed.

    Returns:
      The last layer's output with its number of frames, and the outputs to keep.
    """
    (context, fields), skipped = shared, []
    kept: dict[Layer, LayerOutput] = {}
    layer_class = rematerialised(encoder, ConformerLayer, static_argnums=(4,))
    for i in range(encoder.num_layers):
        if encoder.unet_skips and i < encoder.num_layers // 2:
            skipped.append(x)
        elif encoder.unet_skips:
            both = jnp.concatenate([x, skipped.pop() / math.sqrt(2.0)], -1)
            x = dense(encoder.width, 2 * encoder.width, name=f"skip_{i}", dtype=encoder.dtype)(both)
        if can_share(encoder, train=train):
            x = apply_shared(ConformerLayer(**fields, name=f"layers_{i}"), x, context)
        else:
            layer = layer_class(**fields, name=f"layers_{i}")
            x = layer(x, context, encoder.drop_probabilities[i], train)
        x = kernels[i + 1](x) if i + 1 in kernels else x
        if encoder.reduction and encoder.reduction_position == i:
            x, num_frames = reduce_frames(encoder, x, num_frames)
            context, fields = reduced(x, num_frames)
        if i in keep:
            kept[i] = LayerOutput(x, num_frames)
        x = conditions[i](x) if i in conditions else x
    return x, num_frames, kept


def reduce_frames(encoder: Any, x: Array, num_frames: Array) -> tuple[Array, Array]:
    """Lowers the frame rate as `reduction` says."""
    factor = encoder.reduction_factor
    if encoder.reduction == "pooling":
        return nn.max_pool(x, (factor,), (factor,)), num_frames // factor
    width = x.shape[-1]
    convolution = ConvSubsampling(factor, width, width, depthwise=False, dtype=encoder.dtype, name="reduction")
    return convolution(x, num_frames)
