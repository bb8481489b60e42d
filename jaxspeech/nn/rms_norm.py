"""Root mean square norm (Zhang and Sennrich, 2019), with a scale of its own or one that depends on a condition.

y = gamma x / rms(x)        y = (W_gamma c) x / rms(x) + W_beta c        rms(x) = sqrt(mean x^2 + e)
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

# The least length of a vector that is divided by it.
LEAST_LENGTH = 1e-12


class RMSNorm(nn.Module):
    """Normalises each frame by the root mean square of its channels; the statistics are float32.

    With a condition [B E], the scale and an offset are projections of it, which start as 1 and 0.

    Attributes:
      dtype: of the result.
      epsilon: e; None: 0, and a vector shorter than `LEAST_LENGTH` is divided by that.
    """

    dtype: Any = jnp.float32
    epsilon: float | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "*rows D"], condition: Float[Array, "B E"] | None = None
    ) -> Float[Array, "*rows D"]:
        """Normalises the last axis; a condition needs x [B T D]."""
        width = x.shape[-1]
        x = x.astype(jnp.float32)
        if self.epsilon is None:
            square = jnp.maximum(jnp.square(x).sum(-1, keepdims=True), LEAST_LENGTH**2)
            normal = x * (jax.lax.rsqrt(square) * width**0.5)
        else:
            normal = x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + self.epsilon)
        if condition is None:
            return (normal * self.param("scale", nn.initializers.ones_init(), (width,))).astype(self.dtype)
        zeros, ones = nn.initializers.zeros_init(), nn.initializers.ones_init()
        gamma = nn.Dense(width, kernel_init=zeros, bias_init=ones, name="gamma")(condition)
        beta = nn.Dense(width, kernel_init=zeros, name="beta")(condition)
        return (normal * gamma[:, None] + beta[:, None]).astype(self.dtype)
