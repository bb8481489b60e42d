"""Subsampling turns feature frames into fewer, wider ones, by convolutions of stride 2 or by stacking.

    striding     [conv 3x3 / 2, ReLU] x log2(factor), then W [C F'] -> D      (Dong et al., 2018)
    dw_striding  the same; each convolution but the first is depthwise, then pointwise (Rekesh et al., 2023)
    stacking     W [factor F] -> D on concatenated frames; stacking_norm applies a layer norm first
    feature_stacking  the same without bias; a last, incomplete group is kept

Padding is zeroed before every layer and after the last one, so it never affects a real frame.

A long recording is convolved chunk by chunk, each chunk with the neighbouring frames in its receptive field: the
widest activations, [B T/2 F/2 C], exist for one chunk at a time.
"""

import math
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.nn.initializers import dense
from jaxspeech.nn.normalization import LayerNorm
from jaxspeech.nn.sequence_parallel import TIME, over_time, pad_time, time_shards, with_neighbours
from jaxspeech.nn.strided_conv import KERNEL, STRIDE, StridedConv2D

Subsampling = Literal["dw_striding", "striding", "stacking", "stacking_norm", "feature_stacking"]
# Output frames computed at a time.
CHUNK = 1024


def strided_length(length: Any, padding: tuple[int, int]) -> Any:
    """Returns the frames after one convolution of kernel 3 and stride 2: max(floor((n + padding - 3) / 2) + 1, 0)."""
    frames = (length + sum(padding) - KERNEL) // STRIDE + 1
    return max(frames, 0) if isinstance(frames, int) else jnp.maximum(frames, 0)


def padded_length(length: Any, *, kind: Subsampling, factor: int) -> Any:
    """Returns the frames that `subsample` (not causal) makes of this many, a last, incomplete one included."""
    if factor == 1 or kind not in ("dw_striding", "striding"):
        return -(-length // factor)
    for _ in range(int(math.log2(factor))):
        length = strided_length(length, (1, 1))
    return length


def frames_before(factor: int) -> int:
    """Returns how many frames of left context an output frame of causal convolutional subsampling has."""
    return (KERNEL - 1) * (factor - 1)


def mask_part(
    x: Float[Array, "B T ..."], first: Int[Array, "*B"], lengths: Int[Array, " B"]
) -> Float[Array, "B T ..."]:
    """Zeroes the frames of `x` that lie before or after the rows; x[:, 0] is frame `first` of the rows."""
    place = first[..., None] + jnp.arange(x.shape[1])
    real = (place >= 0) & (place < lengths[:, None])
    return jnp.where(real.reshape(x.shape[:2] + (1,) * (x.ndim - 2)), x, jnp.zeros((), x.dtype))


class ConvSubsampling(nn.Module):
    """Subsamples by a power of two, with convolutions.

    Attributes:
      factor: input frames per output frame, a power of two.
      channels: C of every convolution.
      width: D of the output.
      depthwise: True for dw_striding, False for striding.
      causal: pad 2 before and 1 after, in time and in frequency; 1 and 1 if not causal.
      chunk: output frames computed at a time; it does not affect the result.
    """

    factor: int
    channels: int
    width: int
    depthwise: bool
    causal: bool = False
    dtype: Any = jnp.float32
    chunk: int = CHUNK

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.factor < 2 or self.factor & (self.factor - 1):
            raise ConfigError(f"subsampling by {self.factor}: each convolution halves the frames; choose 2, 4, 8 or 16")

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T F"], num_frames: Int[Array, " B"], *, first: Int[Array, "*B"] | None = None
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        """Subsamples whole rows or, with `first`, a part of them.

        Args:
          x: the frames from `first` on that the output depends on; those before or after the rows may hold anything.
          num_frames: real frames of each whole row.
          first: index of x[:, 0] among the rows' frames, one for all rows or one for each; it may be negative.
        """
        padding = self._padding
        if first is None and time_shards() > 1:
            return over_time(self._part_of_time, (x,), (num_frames,)), self._length(num_frames)
        if first is None and self._num_chunks(x.shape[1]) > 1:
            y = self._in_chunks(pad_time(x, before=self._before, after=0), num_frames, outputs=self._length(x.shape[1]))
            return y, self._length(num_frames)
        # A part comes with its neighbouring frames instead of padding; those outside the rows are masked to zero.
        around = (0, 0) if first is not None else padding
        first = jnp.zeros((), jnp.int32) if first is None else first
        x = mask_part(x, first, num_frames)[..., None]
        for i in range(self._num_layers):
            depthwise = self.depthwise and i > 0
            x = StridedConv2D(self.channels, (around, padding), depthwise, self.dtype, name=f"conv_{i}")(x)
            num_frames = strided_length(num_frames, padding)
            first = (first + padding[0] - around[0]) // STRIDE
            if depthwise:
                x = dense(self.channels, self.channels, name=f"pointwise_{i}", dtype=self.dtype)(x)
            x = mask_part(jax.nn.relu(x), first, num_frames)
        b, t, f, c = x.shape
        return dense(self.width, f * c, name="out", dtype=self.dtype)(x.reshape(b, t, f * c)), num_frames

    @property
    def _padding(self) -> tuple[int, int]:
        return (KERNEL - 1, STRIDE - 1) if self.causal else (1, 1)

    @property
    def _num_layers(self) -> int:
        return int(math.log2(self.factor))

    def _length(self, num_frames: Any) -> Any:
        for _ in range(self._num_layers):
            num_frames = strided_length(num_frames, self._padding)
        return num_frames

    def _num_chunks(self, num_frames: Any) -> int:
        return -(-self._length(num_frames) // self.chunk) if isinstance(num_frames, int) else 1

    @property
    def _before(self) -> int:
        """Output frame i sees the input frames factor i - before, ..., factor i - before + 2 factor - 2."""
        return (self.factor - 1) * self._padding[0]

    def _in_chunks(self, x: Array, num_frames: Array, *, outputs: int, start: Any = 0) -> Array:
        """Computes `outputs` frames in chunks; x[:, 0], frame start - before of the rows, is the first one needed."""
        chunk = min(self.chunk, outputs)
        chunks, hop = -(-outputs // chunk), chunk * self.factor
        span = hop + self.factor - 1
        x = x[:, : (chunks - 1) * hop + span]
        x = pad_time(x, before=0, after=(chunks - 1) * hop + span - x.shape[1])
        part, params = self.clone(parent=None), {"params": self.variables["params"]}

        @jax.checkpoint
        def subsample_part(i: Array) -> Array:
            frames = jax.lax.dynamic_slice_in_dim(x, i * hop, span, axis=1)
            return part.apply(params, frames, num_frames, first=start + i * hop - self._before)[0]

        y = jnp.moveaxis(jax.lax.map(subsample_part, jnp.arange(chunks)), 0, 1)
        return y.reshape(x.shape[0], chunks * chunk, self.width)[:, :outputs]

    def _part_of_time(self, x: Array, num_frames: Array) -> Array:
        """Subsamples one device's part of the time axis, whose length is a multiple of the factor."""
        after = max(self.factor - 1 - self._before, 0)
        around = with_neighbours(x, before=self._before, after=after)
        start = jax.lax.axis_index(TIME) * x.shape[1]
        return self._in_chunks(around, num_frames, outputs=x.shape[1] // self.factor, start=start)


class StackingSubsampling(nn.Module):
    """Concatenates every `factor` frames and projects them to the width.

    A last, incomplete group is dropped, so that no output frame sees padding; with `keep_rest` it is kept and padded
    with zeros.
    """

    factor: int
    width: int
    norm: bool = False
    dtype: Any = jnp.float32
    keep_rest: bool = False
    use_bias: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T F"], num_frames: Int[Array, " B"]
    ) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
        x = zero_padding(x, num_frames)
        b, t, f = x.shape
        groups = (t - 1) // self.factor + 1
        x = jnp.pad(x, ((0, 0), (0, groups * self.factor - t), (0, 0)))
        if self.norm:
            x = LayerNorm(dtype=self.dtype, name="norm")(x)
        x = x.reshape(b, groups, f * self.factor)
        num_frames = (num_frames + (self.factor - 1 if self.keep_rest else 0)) // self.factor
        return dense(self.width, x.shape[-1], name="out", dtype=self.dtype, use_bias=self.use_bias)(x), num_frames


def subsample(
    features: Float[Array, "B T F"],
    num_frames: Int[Array, " B"],
    *,
    kind: Subsampling,
    factor: int,
    channels: int,
    width: int,
    causal: bool = False,
    dtype: Any = jnp.float32,
    first: Int[Array, "*B"] | None = None,
) -> tuple[Float[Array, "B T_out D"], Int[Array, " B"]]:
    """Subsamples with a submodule "subsampling" of the calling module; a factor of 1 is a single projection.

    With `first`, the features are a part of the rows: see `ConvSubsampling`.
    """
    if factor == 1 and kind != "feature_stacking":
        project = dense(width, features.shape[-1], name="subsampling", dtype=dtype)
        return project(zero_padding(features, num_frames)), num_frames
    if kind == "feature_stacking":
        module = StackingSubsampling(factor, width, False, dtype, keep_rest=True, use_bias=False, name="subsampling")
    elif kind in ("stacking", "stacking_norm"):
        module = StackingSubsampling(factor, width, kind == "stacking_norm", dtype, name="subsampling")
    else:
        depthwise = kind == "dw_striding"
        module = ConvSubsampling(factor, channels, width, depthwise, causal, dtype, name="subsampling")
        return module(features, num_frames, first=first)
    if first is not None:
        raise ConfigError(f"{kind} subsampling takes no part of the rows; only convolutional subsampling does")
    return module(features, num_frames)
