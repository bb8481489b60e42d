"""The activations of networks that make waveforms.

elu, leaky_relu;   snake(x) = x + sin^2(a x) / a,  with a factor a for each channel (Ziyin et al., 2020)
half_snake: snake of the first half of the channels, leaky_relu of the others
"""

from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

WaveActivations = Literal["elu", "leaky_relu", "snake", "half_snake"]
# Added to a before the division.
EPSILON = 1e-9


class WaveActivation(nn.Module):
    """One of `WaveActivations`.

    Attributes:
      kind: which one.
      slope: of leaky_relu below 0.
    """

    kind: WaveActivations = "leaky_relu"
    slope: float = 0.01

    @nn.compact
    def __call__(self, x: Float[Any, "B T C"]) -> Float[Array, "B T C"]:
        """Applies it to each frame."""
        if self.kind == "elu":
            return jax.nn.elu(x)
        if self.kind == "leaky_relu":
            return jax.nn.leaky_relu(x, self.slope)
        channels = x.shape[-1] if self.kind == "snake" else x.shape[-1] // 2
        a = self.param("alpha", nn.initializers.ones_init(), (channels,)).astype(x.dtype)
        if self.kind == "snake":
            return _snake(x, a)
        # A sine costs more than to split and join the channels.
        return jnp.concatenate([_snake(x[..., :channels], a), jax.nn.leaky_relu(x[..., channels:], self.slope)], -1)


def _snake(x: Float[Array, "B T C"], a: Float[Array, " C"]) -> Float[Array, "B T C"]:
    return x + jnp.square(jnp.sin(a * x)) / (a + EPSILON)
