"""Matrices of 8-bit integers with a scale for each output channel, which products turn back into numbers.

s_o = max_i |W_io| / 127,   Q_io = round(W_io / s_o)                |W_io - s_o Q_io| <= s_o / 2
y_o = s_o sum_i x_i Q_io                                            |y_o - (x W)_o| <= s_o / 2 sum_i |x_i|

A quarter of float32's memory, half of bfloat16's. Source: the weight-only form of Dettmers et al. (2022).
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8

from jaxspeech.nn.products import dot_general

LARGEST = 127


def quantized(matrix: Any, *, axis: int) -> tuple[Int8[np.ndarray, "..."], Float[np.ndarray, "..."]]:
    """Returns Q and the scales of a matrix, or of a stack of them, on the host.

    Args:
      matrix: W.
      axis: of i, the inputs, counted from the end.
    """
    matrix = np.asarray(matrix).astype(np.float32)
    scale = np.abs(matrix).max(axis, keepdims=True) / LARGEST
    rounded = np.rint(matrix / np.where(scale > 0, scale, 1)).astype(np.int8)
    return rounded, scale.squeeze(axis)


def int8_product(
    x: Float[Array, "*rows I"], matrix: Int8[Any, "..."], scale: Float[Any, " O"], *, axis: int = 0
) -> Float[Array, "*rows O"]:
    """Computes y.

    Args:
      x: the input.
      matrix: Q, [I O] or, as a table of tokens is stored, [O I].
      scale: s.
      axis: of I in the matrix.
    """
    matrix, scale = jnp.asarray(matrix), jnp.asarray(scale).astype(x.dtype)

    def product(x: Array, matrix: Array) -> Array:
        return dot_general(x, matrix.astype(x.dtype), (((x.ndim - 1,), (axis,)), ((), ())))

    def summed(x: Array, matrix: Array) -> Array:
        row = x.reshape(-1, 1) if axis == 0 else x.reshape(1, -1)
        return (matrix.astype(x.dtype) * row).sum(axis).reshape(*x.shape[:-1], -1)

    if x.size != x.shape[-1]:
        return product(x, matrix) * scale
    # For one row, a CPU's product would take five times as long to write the matrix's numbers to memory first.
    return jax.lax.platform_dependent(x, matrix, cpu=summed, default=product) * scale
