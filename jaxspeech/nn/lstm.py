"""Long short-term memory, one direction (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

i, f, g, o = x W_in + b_in + h W_hidden + b_hidden
c = sigmoid(f) c + sigmoid(i) tanh(g)
h = sigmoid(o) tanh(c)

Two biases, of which one would do, because the published checkpoints have two and train each of them.
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import uniform_within


class LSTMState(NamedTuple):
    """What a stack of L layers remembers, in float32; zeros at the start."""

    hidden: Float[Any, "B L D"]
    cell: Float[Any, "B L D"]


class LSTM(nn.Module):
    """A stack of layers with dropout between them; parameters of layer i under `input_{i}` and `hidden_{i}`.

    Attributes:
      width: of every layer's output.
      num_layers: L.
      dropout: between layers.
      forget_bias: the forget gate's input bias at the start (Jozefowicz et al., 2015).
      dtype: of the matrix products; gates and cells stay float32.
    """

    width: int
    num_layers: int = 1
    dropout: float = 0.0
    forget_bias: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "B N D_in"], state: LSTMState, *, train: bool = False
    ) -> tuple[Float[Array, "B N D"], LSTMState]:
        """Outputs for N inputs one after the other, and the state behind the last."""
        hidden, cell = [], []
        for i in range(self.num_layers):
            if i > 0:
                x = Dropout(self.dropout, name=f"drop_{i}")(x, train=train)
            gates = self._affine(x.shape[-1], f"input_{i}", forget_bias=self.forget_bias)
            recurrent = self._affine(self.width, f"hidden_{i}", forget_bias=0.0)
            inputs = jnp.swapaxes(gates(x).astype(jnp.float32), 0, 1)
            (h, c), outputs = _run(inputs, recurrent, (state.hidden[:, i], state.cell[:, i]))
            x = jnp.swapaxes(outputs, 0, 1).astype(self.dtype)
            hidden.append(h)
            cell.append(c)
        return x, LSTMState(jnp.stack(hidden, 1), jnp.stack(cell, 1))

    def _affine(self, fan_in: int, name: str, *, forget_bias: float) -> "_Affine":
        """Four gates at once; the bound of the initial values is torch's, 1/sqrt(width)."""
        return _Affine(fan_in, self.width, forget_bias, self.dtype, name=name)


class _Affine(nn.Module):
    """x W + b for all four gates, with W and b at hand for a loop."""

    fan_in: int
    width: int
    forget_bias: float
    dtype: Any

    def setup(self) -> None:
        init = uniform_within(1 / math.sqrt(self.width))

        def bias(key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
            return init(key, shape, dtype).at[self.width : 2 * self.width].set(self.forget_bias)

        self.kernel = self.param("kernel", init, (self.fan_in, 4 * self.width))
        self.bias = self.param("bias", bias, (4 * self.width,))

    def __call__(self, x: Float[Array, "*batch D_in"]) -> Float[Array, "*batch G"]:
        return x.astype(self.dtype) @ self.kernel.astype(self.dtype) + self.bias.astype(self.dtype)


Carry = tuple[Float[Array, "B D"], Float[Array, "B D"]]


def _run(inputs: Float[Array, "N B G"], recurrent: _Affine, start: Carry) -> tuple[Carry, Float[Array, "N B D"]]:
    kernel, bias, dtype = recurrent.kernel.astype(recurrent.dtype), recurrent.bias, recurrent.dtype

    def step(carry: Carry, x: Float[Array, "B G"]) -> tuple[Carry, Float[Array, "B D"]]:
        h, c = carry
        gates = x + (h.astype(dtype) @ kernel).astype(jnp.float32) + bias
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    if inputs.shape[0] == 1:  # a search's step: no loop around it
        carry, h = step(start, inputs[0])
        return carry, h[None]
    return jax.lax.scan(step, start, inputs)
