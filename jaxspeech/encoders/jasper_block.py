"""The block of the convolutional encoders: its options, and its computation.

y = x;  [y = norm(conv(y)), then act and dropout except after the last] x repeat;  y = squeeze_excite(y)
y += norm(pointwise(r)) for each input r of the residual;  y = dropout(act(y));  y += Adapter(y) for each adapter
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import flax.linen as nn
import jax
from jaxtyping import Array, Float, Int

from jaxspeech.errors import did_you_mean
from jaxspeech.masks import length_mask
from jaxspeech.nn.adapter import Adapter, add_linear_adapters
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.normalization import BatchNorm
from jaxspeech.nn.squeeze_excite import SqueezeExcite
from jaxspeech.nn.time_convolution import TimeConv1D

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {"relu": jax.nn.relu, "swish": jax.nn.swish}
NORM_EPSILON = 1e-3
PARALLEL_RESIDUALS = ("sum", "conv")


@dataclass(frozen=True)
class Block:
    """Options of one block.

    Attributes:
      filters: channels of the output.
      kernel: size of each convolution, in frames; odd.
      repeat: number of convolutions.
      stride: of each convolution, or with `stride_last` of the last one only.
      dilation: of each convolution; above 1 only if the stride is 1.
      separable: split convolutions into depthwise and pointwise.
      look_ahead: taps of each kernel after the output's frame: 0 for a causal block; -1, or more than a kernel has: as
        many as before it.
      residual: add a projection of the block's input; with `residual_dense` also one of the input of each block in the
        unbroken sequence of dense blocks before this one.
      squeeze_excite, se_reduction, se_context: see `nn.squeeze_excite`.
      dropout: after each activation.
      parallel_kernels: kernel sizes of further copies of the block beside this one, see `encoders.parallel_block`.
      parallel_residual: what is added to the sum of the copies: their input ("sum") or a projection of it ("conv").
      parallel_dropout: share of the copies that training leaves out; None: none, and no choice is drawn.
    """

    filters: int
    kernel: int
    repeat: int = 1
    stride: int = 1
    stride_last: bool = False
    dilation: int = 1
    separable: bool = False
    look_ahead: int = -1
    residual: bool = False
    residual_dense: bool = False
    squeeze_excite: bool = False
    se_reduction: int = 8
    se_context: int = -1
    dropout: float = 0.0
    parallel_kernels: tuple[int, ...] = ()
    parallel_residual: str = "sum"
    parallel_dropout: float | None = None

    def __post_init__(self) -> None:
        counts = {"filters", "kernel", "repeat", "stride", "dilation", "se_reduction"}
        if wrong := [name for name in sorted(counts) if not isinstance(n := getattr(self, name), int) or n < 1]:
            raise TypeError(f"{wrong[0]} is {getattr(self, wrong[0])!r}; it must be a positive integer")
        if not isinstance(self.look_ahead, int) or self.look_ahead < -1:
            raise TypeError(f"look_ahead is {self.look_ahead!r}; it must be a number of frames, or -1")
        for kernel in (self.kernel, *self.parallel_kernels):
            if not isinstance(kernel, int) or kernel % 2 == 0:
                raise TypeError(f"kernel is {kernel}; it must be odd")
        if self.parallel_kernels and (self.total_stride > 1 or self.residual_dense):
            raise TypeError("parallel_kernels: the block must have a stride of 1, and no residual_dense")
        if self.parallel_residual not in PARALLEL_RESIDUALS:
            known = did_you_mean(self.parallel_residual, PARALLEL_RESIDUALS)
            raise TypeError(f"parallel_residual {self.parallel_residual!r}{known}")
        if self.stride > 1 and self.dilation > 1:
            raise TypeError(f"stride {self.stride} and dilation {self.dilation}; one of them must be 1")
        if self.squeeze_excite and self.filters < self.se_reduction:
            raise TypeError(f"se_reduction {self.se_reduction} is larger than the number of filters, {self.filters}")

    @property
    def strides(self) -> list[int]:
        """The stride of each convolution."""
        return [1 if self.stride_last and i < self.repeat - 1 else self.stride for i in range(self.repeat)]

    @property
    def total_stride(self) -> int:
        """Input frames per output frame."""
        return math.prod(self.strides)

    def taps_after(self, kernel: int) -> int:
        """Taps of a kernel of this size after the output's frame."""
        return self.look_ahead if 0 <= self.look_ahead < kernel else kernel // 2

    @property
    def copies(self) -> "list[Block]":
        """The blocks that are computed side by side."""
        kernels = (self.kernel, *self.parallel_kernels)
        return [replace(self, kernel=kernel, parallel_kernels=()) for kernel in kernels]


class JasperBlock(nn.Module):
    """One block; the fields other than `block` are those of the same name in `Jasper`."""

    block: Block
    activation: str
    weight_init: str
    norm_over_padding: bool
    dtype: Any
    adapters: tuple[Adapter, ...] = ()

    @nn.compact
    def __call__(
        self, inputs: Sequence[Float[Array, "B T _"]], num_frames: Int[Array, " B"], train: bool
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Applies the block to the last input; the residual adds a projection of every input."""
        block, act = self.block, ACTIVATIONS[self.activation]

        def conv_norm(x: Array, n: Array, name: str, **fields: Any) -> tuple[Array, Array]:
            conv = TimeConv1D(
                block.filters, **fields, weight_init=self.weight_init, dtype=self.dtype, name=f"conv_{name}"
            )
            x, n = conv(x, n)
            counted = length_mask(n, x.shape[1]) | self.norm_over_padding
            norm = BatchNorm(epsilon=NORM_EPSILON, dtype=self.dtype, name=f"norm_{name}")
            return norm(x, counted, train=train), n

        def finish(x: Array) -> Array:
            return Dropout(block.dropout)(act(x), train=train)

        y, n = inputs[-1], num_frames
        for i, stride in enumerate(block.strides):
            y = finish(y) if i > 0 else y
            fields = {"stride": stride, "dilation": block.dilation, "separable": block.separable}
            after = block.taps_after(block.kernel)
            y, n = conv_norm(y, n, str(i), kernel_size=block.kernel, look_ahead=after, **fields)
        if block.squeeze_excite:
            gate = SqueezeExcite(block.se_reduction, block.se_context, act, self.weight_init, name="squeeze_excite")
            y = gate(y, n, train=train)
        if block.residual:
            for i, x in enumerate(inputs):
                y += conv_norm(x, num_frames, f"residual_{i}", kernel_size=1, stride=block.total_stride)[0]
        return add_linear_adapters(self, finish(y), self.adapters, dtype=self.dtype, train=train), n
