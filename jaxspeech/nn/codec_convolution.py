"""Convolutions along time at the rates of waveforms: plain and dilated, strided, transposed.

y[t] = b + sum_i x[s t + d i - p] kernel[i]          W taps, stride s, dilation d, p frames of padding on the left
y[n] = b + sum_t x[t] kernel[n + p - s t]            transposed: 2 s taps, so two frames for each output

The kernels are normalised (`nn.normed_convolution`). Inputs must be zero beyond their frames; outputs are, so that no
result depends on what a batch's padding holds. Reflections are those of each row's own end, and not the batch's.

A strided and a transposed convolution with 2 s taps are one product of all frames with a matrix each, whose two halves
are added with a shift: no multiplication is wasted on zeros.
"""

import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.history import in_parts, with_history
from jaxspeech.masks import zero_padding
from jaxspeech.nn.grouped_convolution import convolve
from jaxspeech.nn.initializers import uniform_within
from jaxspeech.nn.normed_convolution import normed_kernel
from jaxspeech.nn.products import einsum

# What is around the frames of a row: zeros, their reflection, or zeros before them alone.
WavePadding = Literal["zeros", "reflect", "causal"]


class WaveConv1D(nn.Module):
    """A convolution with stride 1 whose output is as long as its input.

    Attributes:
      channels: of the output.
      kernel_size: W; odd, unless it is causal.
      dilation: d.
      padding: around the frames.
      norm: of the kernel.
    """

    channels: int
    kernel_size: int
    dilation: int = 1
    padding: WavePadding = "zeros"
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Any, "B T C"], num_frames: Int[Any, " B"]) -> Float[Array, "B T D"]:
        """Convolves each row."""
        taps, width = self.kernel_size, x.shape[-1]
        kernel, bias = _parameters(self, (taps, width, self.channels))
        reach = self.dilation * (taps - 1)
        x = padded(self, x.astype(self.dtype), num_frames, reach, self.padding)
        return zero_padding(convolve(x, kernel, dilation=self.dilation) + bias, num_frames)


class WaveDownsample(nn.Module):
    """A convolution of stride s with 2 s taps.

    Attributes:
      channels: of the output.
      stride: s; of a row of n frames n // s remain.
      padding: around the frames.
      norm: of the kernel.
    """

    channels: int
    stride: int
    padding: WavePadding = "zeros"
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Any, "B T C"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Returns the frames, and how many of them are real."""
        s, width = self.stride, x.shape[-1]
        kernel, bias = _parameters(self, (2 * s, width, self.channels))
        frames = x.shape[1] // s
        reach = s if self.padding == "causal" else 2 * ((s + 1) // 2)
        x = padded(self, x.astype(self.dtype), num_frames, reach, self.padding)[:, : (frames + 1) * s]
        halves = kernel.reshape(2, s * width, self.channels)
        blocks = x.reshape(x.shape[0], frames + 1, s * width)
        y = einsum("btk,hkn->bthn", blocks, halves)
        num_frames = num_frames // s
        return zero_padding(y[:, :-1, 0] + y[:, 1:, 1] + bias, num_frames), num_frames


class WaveUpsample(nn.Module):
    """A transposed convolution of stride s with 2 s taps; the output has s times as many frames.

    Attributes:
      channels: of the output.
      stride: s.
      causal: whether nothing depends on later frames: p is 0, else (s + 1) // 2.
      grouped: each channel of the output is made of two of the input; these must be twice as many.
      norm: of the kernel; each channel of the input has one.
    """

    channels: int
    stride: int
    causal: bool = False
    grouped: bool = False
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Any, "B T C"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Returns the frames, and how many of them are real."""
        s, width = self.stride, x.shape[-1]
        kernel, bias = _parameters(self, (2 * s, width, 1 if self.grouped else self.channels), transposed=True)
        x = x.astype(self.dtype)
        if in_parts(self):
            x = with_history(self, "inputs", x, 1)
        # A row for each frame: what it adds to its own s frames of the output, and to the next s.
        if self.grouped:
            pairs = kernel.reshape(2 * s, self.channels, 2)
            y = _of_pairs(x.reshape(*x.shape[:2], self.channels, 2), pairs)
        else:
            y = einsum("btc,kcd->btkd", x, kernel)
        own, after = y[:, :, :s], y[:, :, s:]
        if in_parts(self):
            y = own[:, 1:] + after[:, :-1]
        else:
            ends = ((0, 0), (0, 1), (0, 0), (0, 0)), ((0, 0), (1, 0), (0, 0), (0, 0))
            y = jnp.pad(own, ends[0]) + jnp.pad(after, ends[1])
        y = y.reshape(y.shape[0], y.shape[1] * s, self.channels)
        left = 0 if self.causal else (s + 1) // 2
        size = y.shape[1] if in_parts(self) else x.shape[1] * s
        num_frames = num_frames * s
        return zero_padding(jax.lax.slice_in_dim(y, left, left + size, axis=1) + bias, num_frames), num_frames


def _parameters(module: Any, shape: tuple[int, int, int], *, transposed: bool = False) -> tuple[Array, Array]:
    """The kernel and the bias of a convolution, in its dtype."""
    bound = 1 / math.sqrt(shape[0] * shape[2 if transposed else 1])
    own_axes = (0, 2) if transposed else (0, 1)
    kernel = normed_kernel(module, shape, bound, own_axes=own_axes, train=False)
    bias = module.param("bias", uniform_within(bound), (module.channels,))
    return kernel.astype(module.dtype), bias.astype(module.dtype)


def padded(
    module: nn.Module, x: Float[Array, "B T C"], num_frames: Int[Any, " B"], reach: int, padding: WavePadding
) -> Float[Array, "B T_in C"]:
    """Puts `reach` frames around those of each row: half of them on each side, or all before if it is causal.

    A causal module that runs on parts of recordings has the last frames of the part before, see `jaxspeech.history`.
    """
    if padding == "causal":
        if in_parts(module):
            return with_history(module, "inputs", x, reach)
        return jnp.pad(x, ((0, 0), (reach, 0), (0, 0)))
    if padding == "zeros":
        return jnp.pad(x, ((0, 0), (reach // 2, reach - reach // 2), (0, 0)))
    return reflected(x, num_frames, reach // 2)


def reflected(x: Float[Array, "B T C"], num_frames: Int[Any, " B"], size: int) -> Float[Array, "B T_in C"]:
    """Puts `size` frames on each side of a row's own, which mirror those beside its first and its last one.

    What a row is too short to mirror is its first frame, before it, or its last one.
    """
    last = jnp.maximum(num_frames - 1, 0)[:, None]
    away = jnp.arange(1, size + 1)
    before = jnp.take_along_axis(x, jnp.minimum(away[::-1], last)[:, :, None], 1)
    after = jnp.take_along_axis(x, jnp.maximum(last - away, jnp.minimum(last, 0))[:, :, None], 1)
    around = jnp.concatenate([before, x, jnp.zeros((x.shape[0], size, x.shape[2]), x.dtype)], 1)

    def place(row: Array, after: Array, start: Array) -> Array:
        return jax.lax.dynamic_update_slice(row, after, (start, 0))

    return jax.vmap(place)(around, after, num_frames + size)


def _of_pairs(x: Float[Array, "B T C 2"], kernel: Float[Array, "W C 2"]) -> Float[Array, "B T W C"]:
    """What two channels of each frame add to one channel of the output, tap by tap."""
    return x[:, :, None, :, 0] * kernel[:, :, 0] + x[:, :, None, :, 1] * kernel[:, :, 1]
