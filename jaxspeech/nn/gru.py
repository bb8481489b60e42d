"""Unidirectional gated recurrent unit (Cho et al., 2014), in the form of cuDNN: the reset gate is after the product.

r, z = sigmoid(x W_in + b_in + h W_hidden + b_hidden)
n = tanh(x W_in + b_in + r (h W_hidden + b_hidden))
h = (1 - z) n + z h
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.initializers import dense, uniform_within


class GRU(nn.Module):
    """One layer; its parameters are `input` and `hidden`, each with the gates in the order r, z, n.

    Attributes:
      width: of the output.
      dtype: of the matrix products; gates and state stay float32.
    """

    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Runs N inputs in sequence from a state of zeros."""
        width, init = self.width, uniform_within(1 / math.sqrt(self.width))
        inputs = nn.Dense(3 * width, dtype=self.dtype, kernel_init=init, bias_init=init, name="input")(x)
        hidden = dense(3 * width, width, dtype=self.dtype, name="hidden")
        start = jnp.zeros((x.shape[0], width))
        hidden(start)  # makes its parameters, outside the loop
        kernel, bias = (hidden.variables["params"][name] for name in ("kernel", "bias"))

        def step(h: Float[Array, "B D"], x: Float[Array, "B G"]) -> tuple[Array, Array]:
            recurrent = (h.astype(self.dtype) @ kernel.astype(self.dtype)).astype(jnp.float32) + bias
            # sigmoid(x) = (tanh(x / 2) + 1) / 2, which a CPU computes faster.
            r, z = jnp.split(0.5 * jnp.tanh(0.5 * (x[:, : 2 * width] + recurrent[:, : 2 * width])) + 0.5, 2, -1)
            n = jnp.tanh(x[:, 2 * width :] + r * recurrent[:, 2 * width :])
            h = (1 - z) * n + z * h
            return h, h

        _, outputs = jax.lax.scan(step, start, jnp.swapaxes(inputs.astype(jnp.float32), 0, 1))
        return jnp.swapaxes(outputs, 0, 1).astype(self.dtype)
