"""3 x 3 convolutions of images, channels last, which are fast on a CPU.

y[n, f] = sum_ij x[n + i - 1, f + j - 1] kernel[i, j],    zero outside
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.winograd import convolve_image, image_kernel_gradient, saves_products

DIMENSIONS = ("NHWC", "HWIO", "NHWC")
# Pixels of a block, whose products' operands stay in a CPU's cache.
BLOCK = 4096


@jax.custom_vjp
def conv3x3(x: Float[Array, "B N F C"], kernel: Float[Array, "3 3 C D"]) -> Float[Array, "B N F D"]:
    """Convolves images with a kernel of 3 x 3, with zeros around them.

    Wide images are convolved with a quarter of the products on a CPU. Of narrow ones XLA's convolution, and its
    gradient by the image, are as fast as a CPU computes. Its gradient by the kernel, a convolution with a kernel as
    large as the image, is not: it becomes nine products for each block of rows.
    """
    if saves_products(x, kernel):
        return jax.lax.platform_dependent(x, kernel, cpu=convolve_image, default=_by_xla)
    return _by_xla(x, kernel)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return conv3x3(x, kernel), (x, kernel)


def _backward(kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = kept
    to_x = conv3x3(gradient, kernel[::-1, ::-1].swapaxes(2, 3))
    if not all(isinstance(size, int) for size in x.shape):
        return to_x, _kernel_gradient(x, gradient)
    on_cpu = image_kernel_gradient if saves_products(x, kernel) else _in_blocks
    return to_x, jax.lax.platform_dependent(x, gradient, cpu=on_cpu, default=_kernel_gradient)


conv3x3.defvjp(_forward, _backward)


def _by_xla(x: Array, kernel: Array) -> Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=DIMENSIONS)


def _kernel_gradient(x: Array, gradient: Array) -> Array:
    """The gradient of the kernel as XLA derives it."""
    kernel = jnp.zeros((3, 3, x.shape[-1], gradient.shape[-1]), x.dtype)
    return jax.vjp(partial(_by_xla, x), kernel)[1](gradient)[0]


def _in_blocks(x: Array, gradient: Array) -> Array:
    """The gradient of the kernel: for each tap a product of the output's gradient and the shifted image, by blocks."""
    b, n, f, c = x.shape
    width = gradient.shape[-1]
    rows = min(max(BLOCK // f, 1), n)
    blocks = -(-n // rows)
    x = jnp.pad(x, ((0, 0), (1, blocks * rows - n + 1), (1, 1), (0, 0)))
    gradient = jnp.pad(gradient, ((0, 0), (0, blocks * rows - n), (0, 0), (0, 0)))

    def add(total: Array, place: Array) -> tuple[Array, None]:
        row, first = place // blocks, place % blocks * rows
        image = jax.lax.dynamic_slice(x, (row, first, 0, 0), (1, rows + 2, f + 2, c))[0]
        target = jax.lax.dynamic_slice(gradient, (row, first, 0, 0), (1, rows, f, width)).reshape(-1, width)
        # Written out, like the shifted columns below: a product reads a transposed operand several times as slowly.
        target = jax.lax.optimization_barrier(target.T)
        columns = []
        for j in range(3):
            shifted = jax.lax.optimization_barrier(image[:, j : j + f])
            columns.append(jnp.stack([target @ shifted[i : i + rows].reshape(-1, c) for i in range(3)]))
        return total + jnp.stack(columns, 1), None

    total, _ = jax.lax.scan(add, jnp.zeros((3, 3, width, c), x.dtype), jnp.arange(b * blocks))
    return total.swapaxes(2, 3)


class Conv3x3(nn.Module):
    """A 3 x 3 convolution with a bias.

    Attributes:
      channels: of the output.
      gain: factor of Glorot and Bengio's initial weights.
    """

    channels: int
    gain: float = 1.0
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B N F C"]) -> Float[Array, "B N F D"]:
        init = scaled_glorot(self.gain)
        kernel = self.param("kernel", init, (3, 3, x.shape[-1], self.channels))
        bias = self.param("bias", nn.initializers.zeros_init(), (self.channels,))
        return conv3x3(x.astype(self.dtype), kernel.astype(self.dtype)) + bias.astype(self.dtype)


def scaled_glorot(gain: float = 1.0) -> Any:
    """Returns Glorot and Bengio's uniform initialiser (2010), with its bound times `gain`."""
    return nn.initializers.variance_scaling(gain * gain, "fan_avg", "uniform")
