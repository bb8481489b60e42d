"""Discriminators of waveforms and spectra: what they see in each layer, and a score, high for what they take for real.

    period    the samples in rows of `period`, of which every column is convolved by itself     HiFi-GAN, 2020
    scale     the samples, and twice halved, in groups of channels                              MelGAN, 2019
    spectrum  magnitudes of a short-time transform, as images                                   UnivNet, 2021

Only real samples and frames are seen: a row of a batch is judged as it is alone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.masks import length_mask
from jaxspeech.nn.bin_convolution import BinConv
from jaxspeech.nn.normed_convolution import NormedConv

SLOPE = 0.1


class Seen(NamedTuple):
    """What one discriminator makes of a batch.

    Attributes:
      layers: the output of each layer, the score [B T 1] last; zero at positions that are not real.
      masks: the positions of each layer that are real.
    """

    layers: tuple[Float[Array, "B T _"], ...]
    masks: tuple[Bool[Array, "B T"], ...]

    def rows(self, first: int, last: int) -> "Seen":
        """Some rows of the batch."""
        return jax.tree.map(lambda x: x[first:last], self)


class PeriodDiscriminator(nn.Module):
    """Sees each `period`-th sample: 5 taps over time in each layer, of which all but the last two divide it by 3.

    Attributes:
      period: p.
      channels: of the layers; the last number holds for two of them.
      norm: of the kernels.
    """

    period: int
    channels: tuple[int, ...] = (32, 128, 512, 1024)
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, samples: Float[Array, "B S"], num_samples: Int[Array, " B"], *, train: bool = False) -> Seen:
        """Judges samples; their end is reflected to a multiple of the period."""
        period, (rows, size) = self.period, samples.shape
        lengths = -(-num_samples // period)
        steps = -(-size // period)
        places = jnp.arange(steps * period)
        end = num_samples[:, None]
        places = jnp.where(places < end, places, jnp.maximum(2 * (end - 1) - places, 0))
        folded = jnp.take_along_axis(samples, jnp.minimum(places, size - 1), axis=1)
        x = folded.reshape(rows, steps, period).swapaxes(1, 2).reshape(rows * period, steps, 1)
        layers, masks = [], []
        plan = [(width, 5, 3) for width in self.channels] + [(self.channels[-1], 5, 1), (1, 3, 1)]
        x = _kept(x, jnp.repeat(lengths, period, total_repeat_length=rows * period))
        for i, (width, taps, stride) in enumerate(plan):
            name = "score" if i == len(plan) - 1 else f"layers_{i}"
            x = NormedConv(width, taps, stride=stride, norm=self.norm, dtype=self.dtype, name=name)(x, train=train)
            lengths = -(-lengths // stride)
            x = _kept(x if name == "score" else leaky_relu(x), jnp.repeat(lengths, period, total_repeat_length=len(x)))
            layers.append(x.reshape(rows, -1, width))
            masks.append(jnp.tile(length_mask(lengths, x.shape[1]), (1, period)))
        return Seen(tuple(layers), tuple(masks))


# Layers of a scale discriminator: (part of the channels' list, taps, stride, groups).
SCALE_LAYERS = (
    (0, 15, 1, 1),
    (0, 41, 2, 4),
    (1, 41, 2, 16),
    (2, 41, 4, 16),
    (3, 41, 4, 16),
    (3, 41, 1, 16),
    (3, 5, 1, 1),
)


class ScaleDiscriminator(nn.Module):
    """Sees all samples, through long kernels in groups of channels.

    Attributes:
      channels: four numbers, see `SCALE_LAYERS`.
      norm: of the kernels.
    """

    channels: tuple[int, ...] = (128, 256, 512, 1024)
    norm: str = "weight"
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, samples: Float[Array, "B S"], num_samples: Int[Array, " B"], *, train: bool = False) -> Seen:
        """Judges samples."""
        x, lengths = _kept(samples[..., None], num_samples), num_samples
        layers, masks = [], []
        plan = [(self.channels[part], *rest) for part, *rest in SCALE_LAYERS] + [(1, 3, 1, 1)]
        for i, (width, taps, stride, groups) in enumerate(plan):
            name = "score" if i == len(plan) - 1 else f"layers_{i}"
            options = {"stride": stride, "groups": groups, "norm": self.norm, "dtype": self.dtype}
            x = NormedConv(width, taps, name=name, **options)(x, train=train)
            lengths = -(-lengths // stride)
            x = _kept(x if name == "score" else leaky_relu(x), lengths)
            layers.append(x)
            masks.append(length_mask(lengths, x.shape[1]))
        return Seen(tuple(layers), tuple(masks))


class SpectrumDiscriminator(nn.Module):
    """Sees spectra as images: kernels of 3 frames and 9 bins, of which three divide the bins by 2.

    Attributes:
      channels: of every layer.
    """

    channels: int = 32
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, spectra: Float[Array, "B N F *P"], num_frames: Int[Array, " B"]) -> Seen:
        """Judges frames by their magnitudes, or by several numbers for each bin."""
        mask = length_mask(num_frames, spectra.shape[1])
        x = spectra[..., None] if spectra.ndim == 3 else spectra
        x = jnp.where(mask[:, :, None, None], x, 0.0)
        layers = []
        for i, (taps, stride) in enumerate([(9, 1), (9, 2), (9, 2), (9, 2), (3, 1), (3, 1)]):
            last = i == 5
            width, name = (1, "score") if last else (self.channels, f"layers_{i}")
            x = BinConv(width, taps, stride, dtype=self.dtype, name=name)(x)
            x = jnp.where(mask[:, :, None, None], x if last else leaky_relu(x), 0.0)
            layers.append(x.reshape(*x.shape[:2], -1))
        # The score of a frame is the mean over its bins.
        layers[-1] = layers[-1].mean(-1, keepdims=True)
        return Seen(tuple(layers), (mask,) * len(layers))


def halved(samples: Float[Array, "B S"], num_samples: Int[Array, " B"]) -> tuple[Array, Array]:
    """Means of four samples, two apart, the zeros around the audio included: n // 2 + 1 samples of the next scale."""
    padded = jnp.pad(jnp.where(length_mask(num_samples, samples.shape[1]), samples, 0.0), ((0, 0), (2, 2)))
    pairs = padded[:, : (padded.shape[1]) // 2 * 2].reshape(len(samples), -1, 2).sum(-1)
    return (pairs[:, :-1] + pairs[:, 1:]) / 4, num_samples // 2 + 1


def scales(samples: Float[Array, "B S"], num_samples: Int[Array, " B"], count: int) -> Sequence[tuple[Array, Array]]:
    """The samples, and halved again and again: `count` pairs (samples, num_samples)."""
    found = [(samples, num_samples)]
    for _ in range(count - 1):
        found.append(halved(*found[-1]))
    return found


def leaky_relu(x: Array) -> Array:
    """max(x, 0.1 x)."""
    return jax.nn.leaky_relu(x, SLOPE)


def _kept(x: Float[Array, "B T D"], lengths: Int[Array, " B"]) -> Float[Array, "B T D"]:
    return jnp.where(length_mask(lengths, x.shape[1])[..., None], x, 0.0)
