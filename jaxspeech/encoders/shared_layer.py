"""Applies equal layers as one traced function: a stack of L layers is traced and lowered once, not L times.

XLA inlines the calls, so that the compiled program and its speed are those of L separate layers.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax

from jaxspeech.nn.products import product_dtype, products_in
from jaxspeech.types import Variables


def apply_shared(layer: nn.Module, *inputs: Any) -> Any:
    """Applies a layer in inference: the same as `layer(*inputs)`.

    Args:
      layer: a submodule, created in the parent's compact method; all fields but its name are equal in all layers.
      inputs: arrays, or pytrees of arrays; None for what a layer does not take.
    """
    return shared_layer(layer.clone(parent=None, name=None), product_dtype(), layer.variables, *inputs)


def can_share(module: nn.Module, *, train: bool) -> bool:
    """Whether a module's layers only read their variables: neither training, initialisation nor parts of recordings."""
    return not train and module.scope is not None and module.scope.mutable is False


# A trace depends on the dtype of `nn.products`, which JAX does not know of: so it is an argument.
@partial(jax.jit, static_argnums=(0, 1))
def shared_layer(layer: nn.Module, dtype: Any, variables: Variables, *inputs: Any) -> Any:
    """Applies an unbound layer to its variables; JAX keeps the trace for each layer, shapes and settings."""
    apply: Any = layer.apply
    with products_in(dtype):
        return apply(variables, *inputs)
