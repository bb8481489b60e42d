"""What a module has seen before, for recordings that come part by part.

    (y, state) = module.apply(variables | state, x, mutable=["history"])

A module that looks back keeps the frames that it will look at again in the collection "history", B leading. Where that
collection is mutable, inputs go on from there; otherwise they are whole recordings, and nothing is kept.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Shaped

HISTORY = "history"


def in_parts(module: nn.Module) -> bool:
    """Whether the inputs are parts of recordings, each going on where the last one ended."""
    return module.is_mutable_collection(HISTORY) and not module.is_initializing()


def with_history(module: nn.Module, name: str, x: Shaped[Array, "B T ..."], size: int) -> Shaped[Array, "B S ..."]:
    """`x` behind the `size` frames that came before it, zeros at first; S = size + T, whose last `size` are kept."""
    batch_size, num_frames, *rest = x.shape
    before = module.variable(HISTORY, name, jnp.zeros, (batch_size, size, *rest), x.dtype)
    x = jnp.concatenate([before.value, x], axis=1)
    before.value = x[:, num_frames:]
    return x
