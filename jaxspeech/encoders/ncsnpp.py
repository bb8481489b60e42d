"""NCSN++ for complex spectra (Song et al., 2021; Richter et al., 2023): a U-Net whose images are spectrograms.

x_0 = spectra as real channels;  x_r+1 = x_r / 2                        the image at each resolution
h = (h + W_r x_r) / sqrt 2;  h = block(h), ...;  h = h / 2              downwards, from h = 0; keeps each h
h = 2 h;  h = block((h + kept) / sqrt 2), ...;  y_r = W h               upwards
y = W_out sum_r y_r

/ 2 is the mean of 2 x 2 pixels, 2 bilinear; the y_r are enlarged by repetition. What padding does to a recording is
what it does in NeMo to a recording alone: its frames are filled up to a multiple of `pad_frames_to`, and the norms
count the filling. So a recording's result does not depend on the others in its batch.
"""

import math
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int

from jaxspeech.encoders.spectrum_planes import to_planes, to_spectra
from jaxspeech.errors import ConfigError
from jaxspeech.masks import length_mask
from jaxspeech.nn.dropout import Dropout
from jaxspeech.nn.image_conv import Conv3x3, scaled_glorot
from jaxspeech.nn.image_norm import LEAST_CHANNELS, ImageNorm, num_groups

# Parameters that do not learn, a collection of their own.
CONSTANTS = "constants"


class Frames(NamedTuple):
    """Which frames of the images there are at one resolution.

    Attributes:
      real: the recording's own.
      counted: those and the filling, which the norms count.
      last: the last of these, by its number.
    """

    real: Bool[Array, "B N"]
    counted: Bool[Array, "B N"]
    last: Int[Array, " B"]


class ResidualBlock(nn.Module):
    """y = (W x + conv(dropout(swish(norm(conv(swish(norm(x))) + W temb))))) / sqrt 2, of BigGAN (Brock et al., 2019).

    Attributes:
      channels: of the output; W is the identity if the input has as many.
      dropout: before the second convolution.
      init_scale: of the second convolution's initial weights.
      dtype: of the convolutions.
    """

    channels: int
    dropout: float
    init_scale: float
    dtype: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "B N F C"], embedded: Float[Array, "B E"] | None, frames: Frames, train: bool = False
    ) -> Float[Array, "B N F D"]:
        y = ImageNorm(dtype=self.dtype, name="norm_in")(x, frames.counted)
        y = Conv3x3(self.channels, dtype=self.dtype, name="conv_in")(y)
        if embedded is not None:
            y += _dense(self.channels, self.dtype, name="time")(jax.nn.swish(embedded))[:, None, None]
        y = ImageNorm(dtype=self.dtype, name="norm_out")(y, frames.counted)
        y = Dropout(self.dropout)(y, train=train)
        y = Conv3x3(self.channels, gain=self.init_scale, dtype=self.dtype, name="conv_out")(y)
        if x.shape[-1] != self.channels:
            x = _dense(self.channels, self.dtype, name="shortcut")(x)
        return (x + y) / math.sqrt(2.0)


class NCSNPlusPlus(nn.Module):
    """Estimates complex spectra; see `encoders.spectrum_planes.SpectrumEstimator`.

    Attributes:
      num_outputs: M, spectra of each recording that come out.
      widths: channels at the start, then at each resolution: one more than there are resolutions.
      num_res_blocks: residual blocks at each resolution, on the way down and as many on the way up.
      conditioned_on_time: whether the blocks depend on the time of a generative process.
      fourier_scale: standard deviation of the frequencies in which the logarithm of this time is expanded.
      pad_frames_to, pad_bins_to: frames and bins are filled up to a multiple of this; 0 for 2 to the power of the
        number of resolutions.
      dropout: in the residual blocks.
      init_scale: of the initial weights of convolutions that end a residual block or the network.
      norm_over_padding: in a batch, the norms count the padding up to the longest recording too, as in NeMo: a
        recording's result depends on the others.
      remat: recompute the residual blocks in the backward pass instead of storing their activations.
      dtype: of the convolutions; parameters and statistics stay float32.
    """

    num_outputs: int = 1
    widths: tuple[int, ...] = (128, 128, 256, 256, 256)
    num_res_blocks: int = 2
    conditioned_on_time: bool = False
    fourier_scale: float = 16.0
    pad_frames_to: int = 0
    pad_bins_to: int = 0
    dropout: float = 0.0
    init_scale: float = 1e-5
    norm_over_padding: bool = False
    remat: bool = False
    dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.widths) < 2 or self.num_res_blocks < 1:
            raise ConfigError("NCSN++ needs at least one resolution (two widths) and one residual block")
        for width in self.widths:
            if width < LEAST_CHANNELS or width % num_groups(width):
                raise ConfigError(f"widths {self.widths}: {width} channels cannot be split into groups of equal size")
        for name, multiple in (("pad_frames_to", self.pad_frames_to), ("pad_bins_to", self.pad_bins_to)):
            if multiple % self._smallest:
                raise ConfigError(f"{name} {multiple} must be a multiple of {self._smallest}: images are halved")

    @property
    def num_resolutions(self) -> int:
        """The sizes that the images have."""
        return len(self.widths) - 1

    @property
    def _smallest(self) -> int:
        """Pixels of the first resolution in one of the last."""
        return 2 ** (self.num_resolutions - 1)

    @nn.compact
    def __call__(
        self,
        spectra: Complex[Array, "B C N F"],
        num_frames: Int[Array, " B"],
        condition: Float[Array, " B"] | None = None,
        *,
        train: bool = False,
    ) -> Complex[Array, "B M N F"]:
        """Computes spectra, with zeros from num_frames on.

        Args:
          spectra, num_frames: of the recordings.
          condition: time of each, above 0, if the network is conditioned on it.
          train: whether gradients will be computed.
        """
        if (condition is None) == self.conditioned_on_time:
            wanted = "needs the time of the process" if self.conditioned_on_time else "takes no time"
            raise ConfigError(f"an NCSN++ with conditioned_on_time {self.conditioned_on_time} {wanted}")
        image = to_planes(spectra, num_frames)
        n, f, planes = image.shape[1:]
        pad_frames, pad_bins = (to or 2**self.num_resolutions for to in (self.pad_frames_to, self.pad_bins_to))
        image = jnp.pad(image, ((0, 0), (0, -n % pad_frames), (0, -f % pad_bins), (0, 0)))
        size = image.shape[1]
        filled = num_frames + -num_frames % pad_frames
        if self.norm_over_padding:
            filled = jnp.full_like(num_frames, size)
        embedded = None if condition is None else self._embed(condition)

        block_class = nn.remat(ResidualBlock, static_argnums=(4,)) if self.remat else ResidualBlock

        def block(name: str, channels: int, x: Array, frames: Frames) -> Array:
            module = block_class(channels, self.dropout, self.init_scale, self.dtype, name=name)
            return _keep(module(x, embedded, frames, train), frames)

        kept: list[tuple[Array, int]] = []
        hidden, real = jnp.zeros((), jnp.float32), num_frames
        frames = _frames(real, filled, size)
        for level, width in enumerate(self.widths[1:]):
            if level:
                hidden, image = halved(hidden), halved(image)
                real, filled, size = (real + 1) // 2, filled // 2, size // 2
                frames = _frames(real, filled, size)
            projected = _dense(self.widths[level], self.dtype, name=f"image_in_{level}")(image)
            hidden = _keep((hidden + projected) / math.sqrt(2.0), frames)
            for i in range(self.num_res_blocks):
                hidden = block(f"down_{level}_{i}", width, hidden, frames)
                kept.append((hidden, level))

        result = None
        for level in reversed(range(self.num_resolutions)):
            if level < self.num_resolutions - 1:
                result = self._image_out(result, hidden, level + 1, planes)
                hidden = doubled(hidden, frames.last)
                real, filled, size = real * 2, filled * 2, size * 2
                frames = _frames(real, filled, size)
            for i in reversed(range(self.num_res_blocks)):
                width = self.widths[level + 1] if i else self.widths[level]
                hidden = (hidden + kept.pop()[0]) / math.sqrt(2.0)
                hidden = block(f"up_{level}_{i}", width, hidden, frames)
        result = self._image_out(result, hidden, 0, planes)[:, :n, :f]
        parts = _dense(2 * self.num_outputs, jnp.float32, name="out")(result.astype(jnp.float32))
        return to_spectra(parts[..., : self.num_outputs], parts[..., self.num_outputs :], num_frames)

    def _image_out(self, result: Array | None, hidden: Array, level: int, planes: int) -> Array:
        """Adds the image of a resolution to those of the smaller ones."""
        image = _dense(planes, self.dtype, gain=self.init_scale, name=f"image_out_{level}")(hidden)
        return image if result is None else image + jnp.repeat(jnp.repeat(result, 2, axis=1), 2, axis=2)

    def _embed(self, time: Float[Array, " B"]) -> Float[Array, "B E"]:
        """Expands the time in random frequencies, which do not learn (Tancik et al., 2020), and projects that."""
        width = self.widths[0]
        frequencies = self.variable(
            CONSTANTS,
            "frequencies",
            lambda: self.fourier_scale * jax.random.normal(self.make_rng("params"), (width,)),
        ).value
        angle = jnp.log(time.astype(jnp.float32))[:, None] * frequencies * 2 * math.pi
        x = jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1)
        x = _dense(4 * width, jnp.float32, name="time_in")(x)
        return _dense(4 * width, jnp.float32, name="time_out")(jax.nn.swish(x))


def _dense(features: int, dtype: Any, *, name: str, gain: float = 1.0) -> nn.Dense:
    """A projection of the channels with the initial weights of NCSN++; its bias starts at 0."""
    return nn.Dense(features, dtype=dtype, kernel_init=scaled_glorot(gain), name=name)


def _frames(real: Int[Array, " B"], filled: Int[Array, " B"], size: Any) -> Frames:
    return Frames(length_mask(real, size), length_mask(filled, size), filled - 1)


def _keep(x: Float[Array, "B N F C"], frames: Frames) -> Float[Array, "B N F C"]:
    """Zeroes what follows the recordings."""
    return jnp.where(frames.real[:, :, None, None], x, jnp.zeros((), x.dtype))


def halved(x: Float[Array, "B N F C"]) -> Float[Array, "B N2 F2 C"]:
    """Halves frames and bins: each pixel is the mean of 2 x 2."""
    b, n, f, c = x.shape
    return x.reshape(b, n // 2, 2, f // 2, 2, c).mean((2, 4))


def doubled(x: Float[Array, "B N F C"], last: Int[Array, " B"]) -> Float[Array, "B N2 F2 C"]:
    """Doubles frames and bins, bilinearly: 3/4 of the nearest pixel and 1/4 of the next, where there is one.

    Args:
      x: the images.
      last: the last frame of each, by its number.
    """
    b, n, f, c = x.shape
    after = jnp.concatenate([x[:, 1:], x[:, -1:]], 1)
    after = jnp.where((jnp.arange(n) == last[:, None])[:, :, None, None], x, after)
    before = jnp.concatenate([x[:, :1], x[:, :-1]], 1)
    x = jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], 2).reshape(b, 2 * n, f, c)
    after = jnp.concatenate([x[:, :, 1:], x[:, :, -1:]], 2)
    before = jnp.concatenate([x[:, :, :1], x[:, :, :-1]], 2)
    return jnp.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], 3).reshape(b, 2 * n, 2 * f, c)
