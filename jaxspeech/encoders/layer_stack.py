"""A stack of equal layers as one tree with a leading axis of layers ("layers", for a scan), or as a tree for each."""

from typing import Any

import jax
import jax.numpy as jnp


def unstack_layers(encoder: dict[str, Any]) -> dict[str, Any]:
    """One collection of a scanned encoder's variables, with `layers` split into `layers_0`, `layers_1`, ..."""
    if "layers" not in encoder:
        return encoder
    rest = {name: value for name, value in encoder.items() if name != "layers"}
    num_layers = len(jax.tree.leaves(encoder["layers"])[0])
    return rest | {f"layers_{i}": jax.tree.map(lambda x, i=i: x[i], encoder["layers"]) for i in range(num_layers)}


def stack_layers(encoder: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `unstack_layers`."""
    names = sorted((n for n in encoder if n.startswith("layers_")), key=lambda n: int(n.removeprefix("layers_")))
    if not names:
        return encoder
    rest = {name: value for name, value in encoder.items() if name not in names}
    return rest | {"layers": jax.tree.map(lambda *xs: jnp.stack(xs), *(encoder[name] for name in names))}
