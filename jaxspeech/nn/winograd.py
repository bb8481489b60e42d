"""Convolutions over frames with three taps by half of the products (Winograd, 1980; Lavin and Gray, 2016).

Four frames y of the output depend on six of the input, x, and on the taps g. All four are found from six products, of
what x and g are as polynomials at 0, 1, -1, 2, -2 and infinity, instead of twelve:

y = Y^T ((G g) (X x)),    dg = G^T sum (X x) (Y dy),    dx = the same convolution of dy with the taps turned

Frames are vectors of channels and taps are matrices, so each product is one of matrices, over all fours of frames. In
float32 the rounding error is about 1e-6 of the result, five times that of the twelve products.
"""

from collections.abc import Sequence
from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

FRAMES = 4
# From so many channels and frames on, at least 19 multiplications are left out for each in the sums of frames, and 55
# for each in those of taps. These limits are counted; a step of FastPitch, with 384 to 1536 channels, takes 0.74 of the
# time.
WIDE, LONG = 128, 512
# G, X and Y: a row for each point.
OF_TAPS = (
    *((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6)),
    *((1 / 24, 1 / 12, 1 / 6), (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
)
OF_INPUT = (
    *((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0)),
    *((0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
)
OF_OUTPUT = ((1, 0, 0, 0), (1, 1, 1, 1), (1, -1, 1, -1), (1, 2, 4, 8), (1, -2, 4, -8), (0, 0, 0, 1))


def saves_products(x: Float[Array, "B T C"], kernel: Float[Array, "W C D"]) -> bool:
    """Whether `convolve_three` can be used and is faster on a CPU."""
    (rows, length, _), (taps, *widths) = x.shape, kernel.shape
    if taps != 3 or x.dtype != jnp.float32 or not all(isinstance(size, int) for size in x.shape):
        return False
    return min(widths) >= WIDE and rows * length >= LONG


@jax.custom_vjp
def convolve_three(x: Float[Array, "B T C"], kernel: Float[Array, "3 C D"]) -> Float[Array, "B T D"]:
    """Computes y[t] = sum_i x[t + i - 1] kernel[i], zero outside."""
    products = [x @ taps for x, taps in zip(_of_input(x), _combined(OF_TAPS, kernel), strict=True)]
    y = jnp.stack(_combined(tuple(zip(*OF_OUTPUT, strict=True)), products), 1)
    return y.reshape(x.shape[0], -1, kernel.shape[2])[:, : x.shape[1]]


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve_three(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], dy: Float[Array, "B T D"]) -> tuple[Array, Array]:
    x, kernel = saved
    products = [x.T @ dy for x, dy in zip(_of_input(x), _combined(OF_OUTPUT, _fours(dy)), strict=True)]
    by_kernel = jnp.stack(_combined(tuple(zip(*OF_TAPS, strict=True)), products))
    return convolve_three(dy, kernel[::-1].swapaxes(1, 2)), by_kernel


convolve_three.defvjp(_forward, _backward)


def _of_input(x: Float[Array, "B T C"]) -> list[Float[Array, "M C"]]:
    """Returns X x of all fours of frames of all rows, M = B ceil(T / 4)."""
    length = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1 + -length % FRAMES), (0, 0)))
    return _combined(OF_INPUT, [*_fours(padded[:, :-2]), *_fours(padded[:, FRAMES:])[:2]])


def _fours(x: Float[Array, "B T C"]) -> list[Float[Array, "M C"]]:
    """Returns the first, second, third and fourth of all fours of frames, zero beyond the row."""
    x = jnp.pad(x, ((0, 0), (0, -x.shape[1] % FRAMES), (0, 0)))
    return [x[:, i::FRAMES].reshape(-1, x.shape[2]) for i in range(FRAMES)]


def _combined(factors: Sequence[Sequence[int | float]], arrays: Sequence[Array] | Array) -> list[Array]:
    """Returns for each row of factors the sum of the arrays, each times its factor."""
    return [reduce(add, (f * x for f, x in zip(row, arrays, strict=True) if f)) for row in factors]
