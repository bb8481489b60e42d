"""Runs the layers of a `FastConformer` as a scan over one traced layer, whose parameters are stacked.

Outputs of layers that are wanted beside the last one's leave the scan in a carry that has a slot for each of them, not
as one array of all layers: they take the memory of the layers asked for, in the backward pass too.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxspeech.encoders.conformer_layer import ConformerLayer, LayerContext
from jaxspeech.encoders.placed_kernels import Kernels
from jaxspeech.gathering import GATHERED, layer_gather
from jaxspeech.nn.materialize import KEPT


def scan_layers(
    encoder: Any,
    x: Float[Array, "B T D"],
    context: LayerContext,
    fields: dict[str, Any],
    kernels: Kernels,
    *,
    conditions: Kernels,
    keep: Sequence[int],
    train: bool,
) -> tuple[Float[Array, "B T D"], Sequence[Array]]:
    """Runs all layers, and the kernels after them.

    Args:
      encoder: whose compact method calls this.
      x: input of the first layer.
      context: that the layers share.
      fields: of the layers.
      kernels: by their place.
      conditions: what follows a layer, by its number; the outputs to keep are those before it.
      keep: ascending numbers of the layers whose outputs are returned.
      train: whether gradients will be computed.

    Returns:
      The last layer's output, and those of the layers to keep.
    """
    after_each = {place - 1: kernel for place, kernel in kernels.items() if place > 0}

    def body(layer: ConformerLayer, carry: tuple[Array, Array | None], each: Any) -> tuple[Any, None]:
        (x, kept), (drop_probability, kernel, condition, slot) = carry, each
        x = _followed(after_each, layer(x, context, drop_probability, train), kernel)
        kept = kept if kept is None else _kept_in(kept, x, *slot)
        return (_followed(conditions, x, condition), kept), None

    scan = nn.scan(
        rematerialised(encoder, body, prevent_cse=False),
        variable_axes={"params": 0, "batch_stats": 0},
        split_rngs={"params": True, "dropout": True, "stochastic_depth": True},
        length=encoder.num_layers,
    )
    layer: Any = ConformerLayer
    if (gather := _gather(encoder)) is not None:
        layer = nn.map_variables(layer, "params", trans_in_fn=gather)
    depth = encoder.num_layers
    each = encoder.drop_probabilities, _ways(after_each, depth), _ways(conditions, depth), _slots(keep, depth)
    kept = jnp.zeros((len(keep), *x.shape), x.dtype) if keep else None
    (x, kept), _ = scan(layer(**fields, name="layers"), (x, kept), each)
    return x, () if kept is None else list(kept)


def rematerialised(encoder: Any, layer: Any, **options: Any) -> Any:
    """Wraps `layer`, a module class or a function, so that the backward pass recomputes what `remat` says."""
    policies = jax.checkpoint_policies
    policy = None
    if encoder.remat == "dots":
        named = policies.save_only_these_names(KEPT)
        policy = policies.save_from_both_policies(policies.dots_with_no_batch_dims_saveable, named)
    if encoder.remat == "none":
        if _gather(encoder) is None:
            return layer
        policy = policies.save_anything_except_these_names(GATHERED)
    return nn.remat(layer, policy=policy, **options)


def _gather(encoder: Any) -> Callable[[Any], Any] | None:
    return layer_gather((*encoder.path, "layers")) if encoder.scan_layers and not encoder.is_initializing() else None


def _ways(functions: Kernels, num_layers: int) -> Array | None:
    """Returns for each layer which of the functions follows it, counted from 1; None if there are none."""
    numbers = {layer: number for number, layer in enumerate(functions, 1)}
    return jnp.asarray([numbers.get(i, 0) for i in range(num_layers)]) if functions else None


def _followed(functions: Kernels, x: Array, way: Array | None) -> Array:
    return x if way is None else jax.lax.switch(way, [lambda x: x, *functions.values()], x)


def _slots(keep: Sequence[int], num_layers: int) -> tuple[Array, Array] | None:
    """Returns for each layer a slot of the kept outputs, and whether its output goes there."""
    if not keep:
        return None
    slots = np.minimum(np.searchsorted(keep, np.arange(num_layers)), len(keep) - 1)
    return jnp.asarray(slots), jnp.asarray(np.isin(np.arange(num_layers), keep))


def _kept_in(kept: Float[Array, "K B T D"], x: Float[Array, "B T D"], slot: Array, wanted: Array) -> Array:
    before = jax.lax.dynamic_index_in_dim(kept, slot, keepdims=False)
    return jax.lax.dynamic_update_index_in_dim(kept, jnp.where(wanted, x, before), slot, 0)
