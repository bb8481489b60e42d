"""A bottleneck beside a trained layer (Houlsby et al., 2019), as in NeMo's LinearAdapter: W_down swish(W_up norm x).

It is added to x, and W_down starts at zero: the layer is as it was until the adapter is trained.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.normalization import LayerNorm


class LinearAdapter(nn.Module):
    """The equation, without biases.

    Attributes:
      hidden: width of the bottleneck.
    """

    hidden: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
        width = x.shape[-1]
        up = nn.Dense(self.hidden, use_bias=False, dtype=self.dtype, kernel_init=uniform_within(width**-0.5), name="up")
        down = nn.Dense(width, use_bias=False, dtype=self.dtype, kernel_init=nn.initializers.zeros_init(), name="down")
        return down(jax.nn.swish(up(LayerNorm(dtype=self.dtype, name="norm")(x))))
