"""Depthwise convolutions along time, with kernels of up to a hundred taps.

y[t, c] = sum_i kernel[i, c] x[t + i, c]
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.initializers import uniform_within

# Frames per block in the computation of a kernel's gradient.
BLOCK = 64
# Up to this many taps, the plain gradient of the shifted multiply-adds is as fast: in a Conformer's layer, and in
# blocks of nothing but convolutions, where the operands of each tap's product are written to memory.
SHORT, SHORT_IN_BLOCKS = 16, 6
# A CPU's first cache holds few lines whose addresses differ by multiples of CACHE_PERIOD bytes. Where more than CROWD
# successive frames of a channel lie so, they push one another out: 31 taps over 1024 channels take four times as long.
CACHE_LINE, CACHE_PERIOD, CROWD = 64, 4096, 10


def depthwise_conv1d(
    x: Float[Array, "B T D"], kernel: Float[Array, "W D"], *, padding: tuple[int, int], short: int = SHORT
) -> Float[Array, "B T_out D"]:
    """Convolves each channel along time with its own kernel, after zero padding of (left, right) frames.

    Kernels of up to `short` taps have the plain gradient, which is the same but for rounding.
    """
    convolve = _with_blocked_gradient
    if len(kernel) <= short:
        convolve = shifted_multiply_adds if x.dtype == jnp.float32 else _with_stacked_gradient
    return convolve(jnp.pad(x, ((0, 0), padding, (0, 0))), kernel)


def chunked_depthwise_conv1d(
    x: Float[Array, "B T D"], kernel: Float[Array, "W D"], *, padding: tuple[int, int], chunk: Int[Array, ""]
) -> Float[Array, "B T D"]:
    """Convolves as `depthwise_conv1d` does, with zeros in place of the frames after the output frame's chunk.

    Chunks have `chunk` frames, which may be drawn at random, and start at frame 0 (Li et al., "Dynamic Chunk
    Convolution for Unified Streaming and Non-Streaming Conformer ASR", 2023).
    """
    return _chunked_multiply_adds(x, kernel, chunk, padding)


@partial(jax.checkpoint, static_argnums=3)
def _chunked_multiply_adds(x: Array, kernel: Array, chunk: Array, padding: tuple[int, int]) -> Array:
    left, num_frames = padding[0], x.shape[1]
    place = jnp.arange(num_frames) % chunk
    padded = jnp.pad(x, ((0, 0), padding, (0, 0)))
    y = jnp.zeros((), x.dtype)
    for i, tap in enumerate(kernel):
        frames = padded[:, i : i + num_frames]
        if i > left:
            frames = jnp.where((place + (i - left) < chunk)[:, None], frames, jnp.zeros((), x.dtype))
        y = y + frames * tap
    return y


def same_depthwise_conv1d(
    x: Float[Array, "B T D"],
    kernel: Float[Array, "W D"],
    *,
    stride: int = 1,
    dilation: int = 1,
    look_ahead: int | None = None,
) -> Float[Array, "B T_out D"]:
    """Convolves each channel with its own kernel; returns ceil(T / stride) frames.

    The kernel has `look_ahead` taps after the output's frame; None: it is of odd length and centred.

    For a dilated kernel, the `dilation` interleaved sequences of frames become channels side by side. With a stride,
    XLA computes only the frames that are kept.
    """
    b, t, width = x.shape
    groups = (t - 1) // dilation + 1
    x = jnp.pad(x, ((0, 0), (0, groups * dilation - t), (0, 0))).reshape(b, groups, dilation * width)
    kernel = jnp.tile(kernel, dilation)
    after = len(kernel) // 2 if look_ahead is None else look_ahead
    y = depthwise_conv1d(x, kernel, padding=(len(kernel) - 1 - after, after), short=SHORT_IN_BLOCKS)
    return y.reshape(b, -1, width)[:, :t:stride]


@jax.jit
@jax.checkpoint
def shifted_multiply_adds(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B T_out D"]:
    """Computes the depthwise convolution as W shifted multiply-adds.

    XLA fuses them into one pass over memory. Its grouped convolution is tens of times slower on a CPU, especially the
    gradient. `checkpoint` saves the input for the backward pass instead of its W views. `jit` gives the function a name
    in the jaxpr, by which an exporter recognises the convolution.
    """
    row_bytes = x.shape[-1] * x.dtype.itemsize
    if len(kernel) > CROWD * CACHE_PERIOD // math.gcd(row_bytes, CACHE_PERIOD):
        return jax.lax.platform_dependent(x, kernel, cpu=_from_longer_rows, default=_multiply_adds)
    return _multiply_adds(x, kernel)


def _from_longer_rows(x: Array, kernel: Array) -> Array:
    """Computes `_multiply_adds` from copies whose rows are longer by one line of the cache."""
    line = (0, CACHE_LINE // x.dtype.itemsize)
    copies = jnp.pad(x, ((0, 0), (0, 0), line)), jnp.pad(kernel, ((0, 0), line))
    return _multiply_adds(*jax.lax.optimization_barrier(copies), width=x.shape[-1])


def _multiply_adds(x: Array, kernel: Array, width: int | None = None) -> Array:
    num_frames = x.shape[1] - len(kernel) + 1
    taps = (x[:, i : i + num_frames, :width] * tap[:width] for i, tap in enumerate(kernel))
    return sum(taps, jnp.zeros((), x.dtype))


@jax.custom_vjp
def _with_stacked_gradient(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B T_out D"]:
    """Computes `shifted_multiply_adds`, with a gradient by the kernel for accelerators and half precision.

    All taps are summed together, in float32. The automatic gradient sums each tap by itself, in the dtype of `x`.
    """
    return shifted_multiply_adds(x, kernel)


def _stacked_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return shifted_multiply_adds(x, kernel), (x, kernel)


def _stacked_backward(saved: tuple[Array, Array], gradient: Float[Array, "B T_out D"]) -> tuple[Array, Array]:
    x, kernel = saved
    around, num_frames = len(kernel) - 1, gradient.shape[1]
    by_input = shifted_multiply_adds(jnp.pad(gradient, ((0, 0), (around, around), (0, 0))), kernel[::-1])
    x, gradient = x.astype(jnp.float32), gradient.astype(jnp.float32)
    of_rows = [(x[:, i : i + num_frames] * gradient).sum(1) for i in range(len(kernel))]
    return by_input, jnp.stack(of_rows).sum(1).astype(kernel.dtype)


_with_stacked_gradient.defvjp(_stacked_forward, _stacked_backward)


@jax.custom_vjp
def _with_blocked_gradient(x: Float[Array, "B T D"], kernel: Float[Array, "W D"]) -> Float[Array, "B T_out D"]:
    """Computes `shifted_multiply_adds`, with a faster gradient by the kernel.

    The automatic one passes over the whole input once for every tap: on a CPU it takes 4 to 5 times as long from 31
    taps on.
    """
    return shifted_multiply_adds(x, kernel)


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return shifted_multiply_adds(x, kernel), (x, kernel)


def _backward(saved: tuple[Array, Array], gradient: Float[Array, "B T_out D"]) -> tuple[Array, Array]:
    x, kernel = saved
    around = len(kernel) - 1
    by_input = shifted_multiply_adds(jnp.pad(gradient, ((0, 0), (around, around), (0, 0))), kernel[::-1])
    return by_input, kernel_gradient(x, gradient).astype(kernel.dtype)


_with_blocked_gradient.defvjp(_forward, _backward)


def kernel_gradient(x: Float[Array, "B T D"], gradient: Float[Array, "B T_out D"]) -> Float[Array, "W D"]:
    """Computes out[i] = sum over b and t of x[b, t + i] gradient[b, t], for i from 0 to T - T_out.

    For each block of S frames, a matrix product multiplies its S gradients with all S + W - 1 inputs in their reach;
    the products at one distance i lie on a diagonal of the result.
    """
    b, t, width = gradient.shape
    taps = x.shape[1] - t + 1
    blocks, reach = -(-t // BLOCK), BLOCK + taps - 1
    rest = ((0, 0), (0, blocks * BLOCK - t), (0, 0))
    x = jnp.pad(x, rest)
    rows = jnp.pad(gradient, rest).reshape(b, blocks, BLOCK, width)
    windows = jnp.stack([x[:, BLOCK * i : BLOCK * i + reach] for i in range(blocks)], 1)
    products = jnp.einsum("bmsd,bmrd->dsr", rows, windows, preferred_element_type=jnp.float32)
    # Reading the flat [S, R] matrix with rows of R + 1 elements makes row s start at its diagonal element.
    flat = jnp.pad(products.reshape(width, BLOCK * reach), ((0, 0), (0, BLOCK)))
    return flat.reshape(width, BLOCK, reach + 1)[:, :, :taps].sum(1).T


class DepthwiseConv1D(nn.Module):
    """A layer around `depthwise_conv1d`, with kernel and bias."""

    kernel_size: int
    padding: tuple[int, int]
    use_bias: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], chunk: Int[Array, ""] | None = None) -> Float[Array, "B T_out D"]:
        """Convolves; with `chunk`, an output frame sees none of the frames after its chunk."""
        width = x.shape[-1]
        init = uniform_within(1.0 / math.sqrt(self.kernel_size))
        kernel = self.param("kernel", init, (self.kernel_size, width)).astype(self.dtype)
        x = x.astype(self.dtype)
        if chunk is None:
            y = depthwise_conv1d(x, kernel, padding=self.padding)
        else:
            y = chunked_depthwise_conv1d(x, kernel, padding=self.padding, chunk=chunk)
        return y + self.param("bias", init, (width,)).astype(self.dtype) if self.use_bias else y
