"""Convolutions with three taps by fewer products: half for frames, a quarter for images.

After Winograd (1980) and Lavin and Gray (2016). Four frames y of the output depend on six of the input, x, and on the
taps g. All four are found from six products, of what x and g are as polynomials at 0, 1, -1, 2, -2 and infinity,
instead of twelve:

y = Y^T ((G g) (X x)),    dg = G^T sum (X x) (Y dy),    dx = the same convolution of dy with the taps turned

Frames are vectors of channels and taps are matrices, so each product is one of matrices, over all fours of frames. In
float32 the rounding error is about 1e-6 of the result, five times that of the twelve products.

In an image this is done to rows and to columns: 4 x 4 pixels of the output come from 36 products instead of 144, and
the rounding error is about 3e-6. The points of the rows are taken one after the other, in a loop: less memory is moved,
and six products are compiled instead of 36.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Factors = Sequence[Sequence[int | float]]

FRAMES = 4
# From so many channels, and frames or pixels, on, at least 19 multiplications are left out for each in the sums of
# frames, and 55 for each in those of taps. These limits are counted; a step of FastPitch, with 384 to 1536 channels,
# takes 0.74 of the time, and an image of 32 x 32 pixels and 256 channels 0.7 (64 x 64: 0.3).
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
# For images G is an array: sums of taps took half of the time to compile. For frames sums are up to twice as fast.
IMAGE_TAPS = np.array(OF_TAPS, np.float32)


def saves_products(x: Float[Array, "B ... C"], kernel: Float[Array, "... C D"]) -> bool:
    """Whether `convolve_three`, or for an image `convolve_image`, can be used and is faster on a CPU."""
    *taps, c, d = kernel.shape
    if set(taps) != {3} or x.dtype != jnp.float32 or not all(isinstance(size, int) for size in x.shape):
        return False
    return min(c, d) >= WIDE and x.size // c >= LONG


@jax.custom_vjp
def convolve_three(x: Float[Array, "B T C"], kernel: Float[Array, "3 C D"]) -> Float[Array, "B T D"]:
    """Computes y[t] = sum_i x[t + i - 1] kernel[i], zero outside."""
    return convolve_points(x, kernel_points(kernel))


def kernel_points(kernel: Float[Array, "3 C D"]) -> list[Float[Array, "C D"]]:
    """Returns G g: six points. They take a quarter of the time of FastPitch's layers over a thousand frames."""
    first, middle, last = kernel
    # Points of opposite sign share a sum. The barrier keeps it from being computed for each of them.
    one, two = jax.lax.optimization_barrier((first + last, first + 4 * last))
    return [first / 4, -(one + middle) / 6, (middle - one) / 6, two / 24 + middle / 12, two / 24 - middle / 12, last]


def convolve_points(x: Float[Array, "B T C"], points: Sequence[Float[Array, "C D"]]) -> Float[Array, "B T D"]:
    """Computes `convolve_three` with the points of its kernel.

    One array for each point: XLA would copy the slices of one for all.
    """
    return _from_products([x @ taps for x, taps in zip(_of_input(x), points, strict=True)], x.shape)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve_three(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], dy: Float[Array, "B T D"]) -> tuple[Array, Array]:
    x, kernel = saved
    products = [x.T @ dy for x, dy in zip(_of_input(x), _of_gradient(dy), strict=True)]
    by_kernel = jnp.stack(_combined(_turned(OF_TAPS), products))
    return convolve_three(dy, kernel[::-1].swapaxes(1, 2)), by_kernel


convolve_three.defvjp(_forward, _backward)


def convolve_image(x: Float[Array, "B N F C"], kernel: Float[Array, "3 3 C D"]) -> Float[Array, "B N F D"]:
    """Computes y[n, f] = sum_ij x[n + i - 1, f + j - 1] kernel[i, j], zero outside."""
    b, n, f, c = x.shape
    points = jnp.einsum("pi,qj,ijcd->pqcd", IMAGE_TAPS, IMAGE_TAPS, kernel)

    def of_row(row: tuple[Array, Array]) -> Float[Array, "M F D"]:
        x, taps = row
        # The barriers keep what is multiplied, and the products, from being computed again for each use.
        columns = jax.lax.optimization_barrier(_of_input(x))
        products = jax.lax.optimization_barrier([x @ taps for x, taps in zip(columns, taps, strict=True)])
        return _from_products(products, x.shape)

    rows = jax.lax.map(of_row, (_row_points(_of_input, x), points))
    return _from_products(list(rows.reshape(len(rows), -1, f * kernel.shape[3])), (b, n, f * c)).reshape(b, n, f, -1)


def image_kernel_gradient(x: Float[Array, "B N F C"], dy: Float[Array, "B N F D"]) -> Float[Array, "3 3 C D"]:
    """Returns the gradient by the kernel of `convolve_image`, given dy, the gradient by its result."""

    def of_row(row: tuple[Array, Array]) -> Float[Array, "6 C D"]:
        x, dy = row
        return jnp.stack([x.T @ dy for x, dy in zip(_of_input(x), _of_gradient(dy), strict=True)])

    points = jax.lax.map(of_row, (_row_points(_of_input, x), _row_points(_of_gradient, dy)))
    return jnp.einsum("pi,qj,pqcd->ijcd", IMAGE_TAPS, IMAGE_TAPS, points)


def _row_points(points: Callable[[Array], list[Array]], x: Float[Array, "B N F C"]) -> Float[Array, "6 M F C"]:
    """Returns the points of the rows of images, M = B ceil(N / 4): each row of an image is like a frame."""
    b, n, f, c = x.shape
    return jnp.stack(points(x.reshape(b, n, f * c))).reshape(len(OF_INPUT), -1, f, c)


def _from_products(products: Sequence[Float[Array, "M D"]], shape: Sequence[int]) -> Float[Array, "B T D"]:
    """Returns y, of the products for all fours of frames of B rows of T frames."""
    y = jnp.stack(_combined(_turned(OF_OUTPUT), products), 1)
    return y.reshape(shape[0], -1, products[0].shape[1])[:, : shape[1]]


def _of_gradient(dy: Float[Array, "B T D"]) -> list[Float[Array, "M D"]]:
    """Returns Y dy of all fours of frames of all rows."""
    return _combined(OF_OUTPUT, _fours(dy))


def _of_input(x: Float[Array, "B T C"]) -> list[Float[Array, "M C"]]:
    """Returns X x of all fours of frames of all rows, M = B ceil(T / 4)."""
    length = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (1, 1 + -length % FRAMES), (0, 0)))
    return _combined(OF_INPUT, [*_fours(padded[:, :-2]), *_fours(padded[:, FRAMES:])[:2]])


def _fours(x: Float[Array, "B T C"]) -> list[Float[Array, "M C"]]:
    """Returns the first, second, third and fourth of all fours of frames, zero beyond the row."""
    x = jnp.pad(x, ((0, 0), (0, -x.shape[1] % FRAMES), (0, 0)))
    return [x[:, i::FRAMES].reshape(-1, x.shape[2]) for i in range(FRAMES)]


def _turned(factors: Factors) -> Factors:
    return tuple(zip(*factors, strict=True))


def _combined(factors: Factors, arrays: Sequence[Array] | Array) -> list[Array]:
    """Returns for each row of factors the sum of the arrays, each times its factor."""
    return [reduce(add, (f * x for f, x in zip(row, arrays, strict=True) if f)) for row in factors]
