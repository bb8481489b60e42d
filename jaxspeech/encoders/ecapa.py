"""ECAPA-TDNN without Res2Net, as NeMo has it (Dawalatabad et al., "ECAPA-TDNN Embeddings for Diarization", 2021).

tdnn(x) = norm(relu(conv(x)))
block(x) = x + gate(tdnn_1(norm(relu(grouped_conv(tdnn_1(x))))));    gate(y) = y sigmoid(W norm(relu(V mean_t y)))
x[1] = tdnn(features);  x[i] = block(x[i - 1]);  encoded = tdnn_1([x[2]; x[3]; ...])
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.encoders.layer_outputs import INPUT, Layer, LayerOutput, wanted_layers, with_outputs
from jaxspeech.masks import length_mask
from jaxspeech.nn.initializers import convolutional, uniform_within
from jaxspeech.nn.normalization import BatchNorm
from jaxspeech.nn.products import dot_general, einsum

# Inner width of the gates.
GATE_WIDTH = 128


class ECAPA(nn.Module):
    """Encodes feature frames; there are as many frames as features.

    Attributes:
      filters: channels of the first layer and of each block, which are equal.
      kernels: sizes of the first layer and of each block's grouped convolution, in frames; odd.
      dilations: of the same.
      groups: into which a block's convolution splits its channels.
      output_kernel: size of the last layer, whose channels are those of all blocks together.
      output_dilation: of the last layer.
      padded_to: 0: a convolution sees no frames after a recording. n: it sees those up to the next multiple of n, as
        NeMo's single recordings, whose features are padded so, do.
      norm_over_padding: whether padded frames count in the statistics of a batch norm.
      remat: recompute each block's activations in the backward pass instead of storing them.
    """

    filters: tuple[int, ...] = (1024, 1024, 1024, 1024)
    kernels: tuple[int, ...] = (5, 3, 3, 3)
    dilations: tuple[int, ...] = (1, 1, 1, 1)
    groups: int = 8
    output_kernel: int = 1
    output_dilation: int = 1
    padded_to: int = 0
    norm_over_padding: bool = False
    remat: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.filters) == len(self.kernels) == len(self.dilations) > 1:
            raise TypeError("filters, kernels and dilations: one of each is needed for the first layer and each block")
        if len(set(self.filters)) > 1 or self.filters[0] % self.groups:
            raise TypeError(f"filters {self.filters}: they must be equal, and multiples of groups {self.groups}")
        if any(kernel % 2 == 0 for kernel in (*self.kernels, self.output_kernel)):
            raise TypeError(f"kernels {self.kernels} and output_kernel {self.output_kernel}: they must be odd")

    @property
    def total_factor(self) -> int:
        """Feature frames per encoder frame."""
        return 1

    @property
    def depth(self) -> int:
        """The number of layers: the first one and the blocks."""
        return len(self.filters)

    @property
    def output_dim(self) -> int:
        """Width of the encoder's output."""
        return sum(self.filters[1:])

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "B T F"],
        num_frames: Int[Array, " B"],
        *,
        train: bool = False,
        layers: Sequence[Layer] | None = None,
    ) -> Any:
        """Encodes features; see `encoders.encoder.Encoder`. Its layers are the first one and the blocks."""
        keep, seen = wanted_layers(layers, self.depth), num_frames
        kept: dict[Layer, LayerOutput] = {INPUT: LayerOutput(features, num_frames)}
        if self.padded_to:
            # The frontend makes one frame more than there are real ones, before it pads.
            seen = -(-(num_frames + 1) // self.padded_to) * self.padded_to
        # Features after a recording are zeros, as NeMo's are.
        x = jnp.where(length_mask(num_frames, features.shape[1])[:, :, None], features, 0.0).astype(jnp.float32)
        shared: Any = {"norm_over_padding": self.norm_over_padding}
        first = TDNN(self.filters[0], self.kernels[0], self.dilations[0], **shared, name="first")
        x = first(x, num_frames, seen, train)
        block = nn.remat(ECAPABlock, static_argnums=(4,)) if self.remat else ECAPABlock
        outputs = [x]
        for i, (kernel, dilation) in enumerate(zip(self.kernels[1:], self.dilations[1:], strict=True)):
            x = block(kernel, dilation, self.groups, **shared, name=f"block_{i}")(x, num_frames, seen, train)
            outputs.append(x)
        kept |= {i: LayerOutput(y, num_frames) for i, y in enumerate(outputs) if i in keep}
        last = TDNN(self.output_dim, self.output_kernel, self.output_dilation, **shared, name="last")
        x = last(jnp.concatenate(outputs[1:], -1), num_frames, seen, train)
        return with_outputs(x, num_frames, layers, kept)


class TDNN(nn.Module):
    """One convolution, ReLU and batch norm, in this order."""

    channels: int
    kernel: int
    dilation: int
    groups: int = 1
    norm_over_padding: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T C"], num_frames: Int[Array, " B"], seen: Int[Array, " B"], train: bool
    ) -> Float[Array, "B T D"]:
        """Convolves the first `seen` frames; the first `num_frames` are real."""
        x = jnp.where(length_mask(seen, x.shape[1])[:, :, None], x, 0.0)
        inputs = x.shape[-1] // self.groups
        init = convolutional("xavier_uniform", self.kernel * inputs, self.kernel * self.channels)
        bias = self.param("bias", uniform_within((self.kernel * inputs) ** -0.5), (self.channels,))
        kernel = self.param("kernel", init, (self.kernel, inputs, self.channels))
        y = _convolved(x, kernel, dilation=self.dilation, groups=self.groups) + bias
        counted = length_mask(num_frames, x.shape[1]) | self.norm_over_padding
        return BatchNorm(name="norm")(jax.nn.relu(y), counted, train=train)


class ECAPABlock(nn.Module):
    """A block: pointwise, grouped and pointwise layers, a gate from the mean over time, and the sum with the input."""

    kernel: int
    dilation: int
    groups: int
    norm_over_padding: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], seen: Int[Array, " B"], train: bool
    ) -> Float[Array, "B T D"]:
        shared: Any = {"norm_over_padding": self.norm_over_padding}
        width = x.shape[-1]
        y = TDNN(width, 1, 1, **shared, name="in")(x, num_frames, seen, train)
        y = TDNN(width, self.kernel, self.dilation, self.groups, **shared, name="grouped")(y, num_frames, seen, train)
        y = TDNN(width, 1, 1, **shared, name="out")(y, num_frames, seen, train)
        real = length_mask(num_frames, x.shape[1])[:, :, None]
        mean = jnp.where(real, y, 0.0).sum(1) / jnp.maximum(num_frames, 1)[:, None]
        down = jax.nn.relu(_dense(GATE_WIDTH, width, name="down")(mean))
        norm = BatchNorm(name="gate_norm")(down[:, None], num_frames[:, None] > 0, train=train)[:, 0]
        gate = jax.nn.sigmoid(_dense(width, GATE_WIDTH, name="up")(norm))
        return x + y * gate[:, None]


def _convolved(
    x: Float[Array, "B T C"], kernel: Float[Array, "W I D"], *, dilation: int, groups: int
) -> Float[Array, "B T D"]:
    """Convolves along time, centred, with zeros around.

    A convolution in groups is a product for each of its taps: XLA's own is many times slower on a CPU.
    """
    taps, inputs, channels = kernel.shape
    half = dilation * (taps // 2)
    if groups == 1 and taps > 1:
        layout = ("NWC", "WIO", "NWC")
        return jax.lax.conv_general_dilated(
            x, kernel, (1,), [(half, half)], rhs_dilation=(dilation,), dimension_numbers=layout
        )
    batch, frames, _ = x.shape
    padded = jnp.pad(x, ((0, 0), (half, half), (0, 0)))
    parts = kernel.reshape(taps, inputs, groups, channels // groups)
    y = jnp.zeros((), x.dtype)
    for i in range(taps):
        part = padded[:, i * dilation : i * dilation + frames].reshape(batch, frames, groups, inputs)
        y = y + einsum("btgi,igd->btgd", part, parts[i])
    return y.reshape(batch, frames, channels)


def _dense(features: int, fan_in: int, *, name: str) -> nn.Dense:
    kernel, bias = convolutional("xavier_uniform", fan_in, features), uniform_within(fan_in**-0.5)
    return nn.Dense(features, kernel_init=kernel, bias_init=bias, dot_general=dot_general, name=name)
