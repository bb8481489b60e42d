"""A bottleneck adapter (Houlsby et al., 2019), as NeMo's LinearAdapter: W_down swish(W_up norm x).

Its output is added to x. W_down is initialised to zero, so the layer is unchanged until the adapter is trained.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.normalization import LayerNorm


class LinearAdapter(nn.Module):
    """The adapter of the equation above, without biases.

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
