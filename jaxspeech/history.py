"""Streaming state: the past frames that a module needs to process a recording part by part.

    (y, state) = module.apply(variables | state, x, mutable=["history"])

A module that depends on past frames keeps them in the collection "history", with B as the leading axis. If that
collection is mutable, the inputs continue the recordings of the last call; if not, they are whole recordings and no
state is kept.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

HISTORY = "history"


def in_parts(module: nn.Module) -> bool:
    """Whether the inputs are parts of recordings, each continuing where the last one ended."""
    return module.is_mutable_collection(HISTORY) and not module.is_initializing()


def with_history(
    module: nn.Module, name: str, x: Shaped[Array, "B ..."], size: int, *, axis: int = 1
) -> Shaped[Array, "B ..."]:
    """Prepend the `size` frames before `x` (zeros at first), and keep the last `size` frames for the next call.

    Args:
      module: the module that has the history.
      name: name of the variable.
      x: the next T frames.
      size: number of frames to keep.
      axis: the axis of the frames.

    Returns:
      `size` + T frames.
    """
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    before = module.variable(HISTORY, name, jnp.zeros, shape, x.dtype)
    x = jnp.concatenate([before.value, x], axis)
    before.value = jax.lax.slice_in_dim(x, x.shape[axis] - size, None, axis=axis)
    return x
