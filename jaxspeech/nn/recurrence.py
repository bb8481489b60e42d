"""The loop of a long short-term memory over its inputs, whose gradient sums over all steps after the loop.

gates_n = x_n + h_{n-1} W + b                                     n = 1 .. N
c_n, m_n = cell(gates_n, c_{n-1})
h_n = m_n                            or, with projection, m_n P

Left to itself, the gradient of W is summed within the loop of the backward pass: each step reads it, adds a product
with a depth of one batch, and writes it; over several devices each step communicates it. Here the loop keeps only the
gradients of the gates, [N B G], and one product of depth N B follows.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.loops import scan


class Weights(NamedTuple):
    """What all steps share."""

    kernel: Float[Array, "D G"]
    bias: Float[Array, " G"]
    project: Float[Array, "C D"] | None

    def for_products(self, dtype: Any) -> "Weights":
        """Returns them with matrices of this dtype, that of the products; everything else is float32."""
        project = None if self.project is None else self.project.astype(dtype)
        return Weights(self.kernel.astype(dtype), self.bias, project)


Carry = tuple[Float[Array, "B D"], Float[Array, "B C"]]


def step(weights: Weights, carry: Carry, x: Float[Array, "B G"]) -> tuple[Carry, Float[Array, "B G"]]:
    """Computes one step.

    Args:
      weights: `for_products`.
      carry: (h, c) after the step before.
      x: the input's part of the gates.

    Returns:
      (h, c), and the gates.
    """
    h, before = carry
    gates = x + _product(h, weights.kernel) + weights.bias
    c, m = _cell(gates, before)
    return (m if weights.project is None else _product(m, weights.project), c), gates


@partial(jax.custom_vjp, nondiff_argnums=(3,))
def run(
    inputs: Float[Array, "N B G"], weights: Weights, start: Carry, dtype: Any
) -> tuple[Carry, Float[Array, "N B D"]]:
    """Computes all steps.

    Args:
      inputs: their parts of the gates.
      weights: in the dtype of the parameters.
      start: (h, c) before the first.
      dtype: of the products.

    Returns:
      (h, c) after the last step, and h after each.
    """
    weights = weights.for_products(dtype)

    def next_step(carry: Carry, x: Array) -> tuple[Carry, Array]:
        carry, _ = step(weights, carry, x)
        return carry, carry[0]

    return scan(next_step, start, inputs)


def _forward(inputs: Array, weights: Weights, start: Carry, dtype: Any) -> tuple[tuple[Carry, Array], Any]:
    used = weights.for_products(dtype)

    def next_step(carry: Carry, x: Array) -> tuple[Carry, tuple[Array, Array, Carry]]:
        after, gates = step(used, carry, x)
        return after, (after[0], gates, carry)

    end, (outputs, gates, before) = scan(next_step, start, inputs)
    return (end, outputs), (weights, gates, before)


def _backward(dtype: Any, saved: Any, gradient: tuple[Carry, Array]) -> tuple[Array, Weights, Carry]:
    weights, gates, (hidden, cells) = saved
    used = weights.for_products(dtype)

    def back(carry: Carry, of_step: tuple[Array, ...]) -> tuple[Carry, tuple[Array, Array]]:
        (by_h, by_c), (by_output, gates, cell) = carry, of_step
        by_h = by_h + by_output
        by_m = by_h if used.project is None else _product(by_h, used.project.T)
        _, pull = jax.vjp(_cell, gates, cell)
        by_gates, by_cell = pull((by_c, by_m))
        return (_product(by_gates, used.kernel.T), by_cell), (by_gates, by_h)

    end, by_outputs = gradient
    by_start, (by_gates, by_hidden) = scan(back, end, (by_outputs, gates, cells), reverse=True)

    def summed(left: Float[Array, "N B X"], right: Float[Array, "N B Y"]) -> Float[Array, "X Y"]:
        product = partial(jnp.einsum, "nbx,nby->xy", preferred_element_type=jnp.float32)
        return product(left.astype(dtype), right.astype(dtype))

    by_project = None if weights.project is None else summed(_cell(gates, cells)[1], by_hidden)
    by_weights = Weights(summed(hidden, by_gates), by_gates.sum((0, 1)), by_project)
    return by_gates, jax.tree.map(lambda x, like: x.astype(like.dtype), by_weights, weights), by_start


run.defvjp(_forward, _backward)


def _cell(
    gates: Float[Array, "*rows G"], before: Float[Array, "*rows C"]
) -> tuple[Float[Array, "*rows C"], Float[Array, "*rows C"]]:
    """Computes (c, m) from the gates and c before the step."""
    # sigmoid(x) = (tanh(x / 2) + 1) / 2, so one loop computes all gates; of each alone, XLA vectorizes none on a CPU.
    half = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5], gates.dtype), before.shape[-1])
    i, f, g, o = jnp.split(jnp.tanh(gates * half), 4, axis=-1)
    c = (0.5 * f + 0.5) * before + (0.5 * i + 0.5) * g
    return c, (0.5 * o + 0.5) * jnp.tanh(c)


def _product(x: Float[Array, "B X"], kernel: Float[Any, "X Y"]) -> Float[Array, "B Y"]:
    return (x.astype(kernel.dtype) @ kernel).astype(jnp.float32)
