"""What a module has seen before, for recordings that come part by part.

    (y, state) = module.apply(variables | state, x, mutable=["history"])

A module that looks back keeps the frames that it will look at again in the collection "history", B leading. Where that
collection is mutable, inputs go on from there; otherwise they are whole recordings, and nothing is kept.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Shaped

HISTORY = "history"


def in_parts(module: nn.Module) -> bool:
    """Whether the inputs are parts of recordings, each going on where the last one ended."""
    return module.is_mutable_collection(HISTORY) and not module.is_initializing()


def with_history(
    module: nn.Module, name: str, x: Shaped[Array, "B ..."], size: int, *, axis: int = 1
) -> Shaped[Array, "B ..."]:
    """`x` behind the `size` frames that came before it, zeros at first; the last `size` of these are kept.

    Args:
      module: whose history it is.
      name: of the variable.
      x: the next T frames.
      size: frames to remember.
      axis: of the frames.
    """
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    before = module.variable(HISTORY, name, jnp.zeros, shape, x.dtype)
    x = jnp.concatenate([before.value, x], axis)
    before.value = jax.lax.slice_in_dim(x, x.shape[axis] - size, None, axis=axis)
    return x
