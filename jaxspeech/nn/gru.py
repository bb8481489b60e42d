"""Unidirectional gated recurrent unit (Cho et al., 2014), in the form of cuDNN: the reset gate is after the product.

r, z = sigmoid(x W_in + b_in + h W_hidden + b_hidden)
n = tanh(x W_in + b_in + r (h W_hidden + b_hidden))
h = (1 - z) n + z h
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.loops import scan
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
        init = uniform_within(1 / math.sqrt(self.width))
        parts = {
            "input": nn.Dense(3 * self.width, kernel_init=init, bias_init=init, name="input"),
            "hidden": dense(3 * self.width, self.width, dtype=self.dtype, name="hidden"),
        }
        parts["input"](x[:, 0])  # makes the parameters
        parts["hidden"](jnp.zeros((x.shape[0], self.width)))
        return self.pure({name: part.variables["params"] for name, part in parts.items()}, x)

    def from_zeros(self, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Returns the outputs, like a call."""
        return self(x)

    @nn.nowrap
    def pure(self, parameters: Any, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Returns what a call does, as a function of the module's parameters alone."""
        width, into, back = self.width, parameters["input"], parameters["hidden"]
        inputs = x.astype(self.dtype) @ into["kernel"].astype(self.dtype) + into["bias"].astype(self.dtype)

        def step(h: Float[Array, "B D"], x: Float[Array, "B G"]) -> tuple[Array, Array]:
            recurrent = (h.astype(self.dtype) @ back["kernel"].astype(self.dtype)).astype(jnp.float32) + back["bias"]
            # sigmoid(x) = (tanh(x / 2) + 1) / 2, which a CPU computes faster.
            r, z = jnp.split(0.5 * jnp.tanh(0.5 * (x[:, : 2 * width] + recurrent[:, : 2 * width])) + 0.5, 2, -1)
            n = jnp.tanh(x[:, 2 * width :] + r * recurrent[:, 2 * width :])
            h = (1 - z) * n + z * h
            return h, h

        start = jnp.zeros((x.shape[0], width))
        _, outputs = scan(step, start, jnp.swapaxes(inputs.astype(jnp.float32), 0, 1))
        return jnp.swapaxes(outputs, 0, 1).astype(self.dtype)
