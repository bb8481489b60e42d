"""Converts between stacked layers ("layers", with a leading layer axis, for a scan) and one tree per layer."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp


def layer_of(stacked: Any, i: int) -> Any:
    """The array of one layer, or its shape."""
    if isinstance(stacked, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(stacked.shape[1:], stacked.dtype)
    return stacked[i]


def unstack_layers(encoder: dict[str, Any]) -> dict[str, Any]:
    """Splits `layers` of one collection of a scanned encoder, arrays or shapes, into `layers_0`, `layers_1`, ..."""
    if "layers" not in encoder:
        return encoder
    rest = {name: value for name, value in encoder.items() if name != "layers"}
    num_layers = jax.tree.leaves(encoder["layers"])[0].shape[0]
    return rest | {
        f"layers_{i}": jax.tree.map(lambda x, i=i: layer_of(x, i), encoder["layers"]) for i in range(num_layers)
    }


def stack_layers(encoder: dict[str, Any]) -> dict[str, Any]:
    """Stacks `layers_0`, `layers_1`, ... into `layers`: the inverse of `unstack_layers`."""
    names = sorted((n for n in encoder if n.startswith("layers_")), key=lambda n: int(n.removeprefix("layers_")))
    if not names:
        return encoder
    rest = {name: value for name, value in encoder.items() if name not in names}
    return rest | {"layers": jax.tree.map(lambda *xs: jnp.stack(xs), *(encoder[name] for name in names))}


def layers_as(like: Any, variables: Any) -> Any:
    """Stacks or splits layers, wherever `variables`, or a part of them, differ in that from the tree `like`."""
    if not isinstance(like, Mapping) or not isinstance(variables, Mapping):
        return variables
    tree = dict(variables)
    if "layers_0" in like and "layers_0" not in tree:
        tree = unstack_layers(tree)
    elif "layers" in like and "layers" not in tree:
        tree = stack_layers(tree)
    return {name: layers_as(like.get(name), value) for name, value in tree.items()}
