"""Position-wise feed-forward: W_down act(W_up x)."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import dense


class FeedForward(nn.Module):
    """Two projections around an activation (Gulati et al., 2020, section 2.3), without the norm and the half-step.

    Attributes:
      expansion: hidden width as a multiple of D.
    """

    expansion: int | float = 4
    use_bias: bool = True
    dropout: float = 0.0
    dtype: Any = jnp.float32
    activation: Callable[[Any], Any] = jax.nn.swish

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], *, train: bool = False) -> Float[Array, "B T D"]:
        width = x.shape[-1]
        hidden = int(self.expansion * width)
        x = dense(hidden, width, name="up", dtype=self.dtype, use_bias=self.use_bias)(x)
        x = Dropout(self.dropout, name="dropout")(self.activation(x), train=train)
        return dense(width, hidden, name="down", dtype=self.dtype, use_bias=self.use_bias)(x)
