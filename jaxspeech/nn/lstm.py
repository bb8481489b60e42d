"""Unidirectional long short-term memory (Hochreiter and Schmidhuber, 1997; forget gate: Gers et al., 2000).

i, f, g, o = x W_in + b_in + h W_hidden + b_hidden
c = sigmoid(f) c + sigmoid(i) tanh(g)
h = sigmoid(o) tanh(c)                        or, with projection, (sigmoid(o) tanh(c)) W_project (Sak et al., 2014)

There are two biases, although one would suffice, because published checkpoints have and train both.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.recurrence import Carry, Weights, run, step
from jaxspeech.types import Size

Affine = Mapping[str, Float[Any, "..."]]  # a kernel and a bias


class LSTMState(NamedTuple):
    """Hidden and cell states of a stack of L layers, in float32; zeros at the start."""

    hidden: Float[Any, "B L D"]
    cell: Float[Any, "B L C"]


class LSTM(nn.Module):
    """A stack of layers with dropout between them; parameters of layer i: `input_{i}`, `hidden_{i}`, `project_{i}`.

    Attributes:
      width: of every layer's output.
      num_layers: L.
      dropout: between layers.
      cell_width: C; the cell outputs are projected from it to the width. None: the cells have the width, unprojected.
      forget_bias: initial input bias of the forget gate (Jozefowicz et al., 2015).
      dtype: of the matrix products; gates and cells stay float32.
    """

    width: int
    num_layers: int = 1
    dropout: float = 0.0
    forget_bias: float = 1.0
    dtype: Any = jnp.float32
    cell_width: int | None = None

    def initial_state(self, batch: Size) -> LSTMState:
        """Returns the state before the first input: zeros."""
        shape = (batch, self.num_layers)
        return LSTMState(jnp.zeros((*shape, self.width)), jnp.zeros((*shape, self.cell_width or self.width)))

    @nn.compact
    def __call__(
        self, x: Float[Array, "B N D_in"], state: LSTMState, *, train: bool = False
    ) -> tuple[Float[Array, "B N D"], LSTMState]:
        """Runs N inputs in sequence; returns their outputs and the state after the last."""
        hidden, cell = [], []
        for i in range(self.num_layers):
            if i > 0:
                x = Dropout(self.dropout, name=f"drop_{i}")(x, train=train)
            layer = {
                f"input_{i}": self._affine(x.shape[-1], f"input_{i}", forget_bias=self.forget_bias),
                f"hidden_{i}": self._affine(self.width, f"hidden_{i}", forget_bias=0.0),
                **({f"project_{i}": self._project(f"project_{i}")} if self.cell_width else {}),
            }
            x, (h, c) = _layer(layer, i, x, (state.hidden[:, i], state.cell[:, i]), self.dtype)
            hidden.append(h)
            cell.append(c)
        return x, LSTMState(jnp.stack(hidden, 1), jnp.stack(cell, 1))

    def from_zeros(self, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Returns the outputs for inputs that begin in a state of zeros."""
        return self(x, self.initial_state(x.shape[0]))[0]

    @nn.nowrap
    def pure(self, parameters: Any, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Returns what `from_zeros` does without dropout, as a function of the module's parameters alone."""
        state = self.initial_state(x.shape[0])
        for i in range(self.num_layers):
            x, _ = _layer(parameters, i, x, (state.hidden[:, i], state.cell[:, i]), self.dtype)
        return x

    def _affine(self, fan_in: int, name: str, *, forget_bias: float) -> Affine:
        """Makes the kernel and bias of all four gates."""
        return _Affine(fan_in, self.cell_width or self.width, forget_bias, name=name)()

    def _project(self, name: str) -> Float[Array, "C D"]:
        assert self.cell_width
        init = uniform_within(1 / math.sqrt(self.cell_width))
        return self.param(name, init, (self.cell_width, self.width))


class _Affine(nn.Module):
    """Makes the kernel and bias of all four gates, with initial values uniform within 1/sqrt(width), as in torch."""

    fan_in: int
    width: int
    forget_bias: float

    @nn.compact
    def __call__(self) -> Affine:
        init = uniform_within(1 / math.sqrt(self.width))

        def bias(key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
            return init(key, shape, dtype).at[self.width : 2 * self.width].set(self.forget_bias)

        kernel = self.param("kernel", init, (self.fan_in, 4 * self.width))
        return {"kernel": kernel, "bias": self.param("bias", bias, (4 * self.width,))}


def _layer(
    parameters: Mapping[str, Any], i: int, x: Float[Array, "B N D_in"], start: Carry, dtype: Any
) -> tuple[Float[Array, "B N D"], Carry]:
    """Runs layer i of a stack, given the parameters of the stack."""
    gates, recurrent = (parameters[f"{name}_{i}"] for name in ("input", "hidden"))
    weights = Weights(recurrent["kernel"], recurrent["bias"], parameters.get(f"project_{i}"))
    of_inputs = x.astype(dtype) @ gates["kernel"].astype(dtype) + gates["bias"].astype(dtype)
    inputs = jnp.swapaxes(of_inputs.astype(jnp.float32), 0, 1)
    carry, outputs = _run(inputs, weights, start, dtype)
    return jnp.swapaxes(outputs, 0, 1).astype(dtype), carry


def _run(
    inputs: Float[Array, "N B G"], weights: Weights, start: Carry, dtype: Any
) -> tuple[Carry, Float[Array, "N B D"]]:
    if inputs.shape[0] == 1:  # one step of a decoding search: no loop needed
        carry, _ = step(weights.for_products(dtype), start, inputs[0])
        return carry, carry[0][None]
    return run(inputs, weights, start, dtype)
