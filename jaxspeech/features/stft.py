"""Computes short-time Fourier transforms and inverts them, sample by sample.

X[n, k] = scale c |c|^(p - 1),  c = sum_s w[s] x[n hop + s - o] exp(-2 pi i k s / M)
x[s]    = sum_n w[s - n hop + o] y[n, s - n hop + o] / sum_n w[s - n hop + o]^2

for k = 0 .. M/2, with y[n] the inverse transform of the frame c[n] that is undone scale and power, and o = M/2: frame n
is centred on sample n hop. There are zeros on both sides of the signal. Frames come before bins: [... N F].

Each row has the frames of its own samples, so it is the same in every batch: the frames of its padding are zero and do
not count in the sum of squared windows. NeMo counts them (nemo/collections/audio/modules/transforms.py), which weakens
the last half window of the shorter recordings of a batch.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.window import WINDOWS, centred_window
from jaxspeech.masks import last_axis_mask
from jaxspeech.overlap import overlap_add
from jaxspeech.row_parallel import over_rows
from jaxspeech.types import Size

# Sums of squared windows below this are taken for zero: no frame says anything on that sample.
NO_WEIGHT = 1e-8


class STFT(NamedTuple):
    """The settings of a transform and its inverse. The window is periodic and as long as the transform.

    Attributes:
      fft_length: length M of the transform and of the window, in samples; even. There are M/2 + 1 bins.
      hop: distance between the starts of consecutive frames, in samples.
      magnitude_power: exponent p of the magnitudes. Below 1 it brings out what is quiet.
      scale: factor of the spectra.
      window: a name of `features.window.WINDOWS`.
      exact_tail: whether enough frames are computed that the inverse returns every sample. Otherwise there are
        num_samples // hop + 1 frames as in NeMo, and the inverse returns zeros instead of the last
        num_samples % hop samples.
      centred: whether frame n is centred on sample n * hop, else it starts there (o = 0). A window that starts with
        0, such as "hann", then loses the first sample.
    """

    fft_length: int = 512
    hop: int = 256
    magnitude_power: float = 1.0
    scale: float = 1.0
    window: str = "hann"
    exact_tail: bool = True
    centred: bool = True

    @property
    def num_bins(self) -> int:
        """The number F of bins: M/2 + 1."""
        return self.fft_length // 2 + 1

    @property
    def offset(self) -> int:
        """The number o of zeros before the first sample."""
        return self.fft_length // 2 if self.centred else 0

    def num_frames(self, num_samples: Any) -> Any:
        """The number of frames of so many samples: integers of any shape and kind."""
        if self.centred:
            return (num_samples + (self.hop - 1 if self.exact_tail else 0)) // self.hop + 1
        missing = num_samples - self.fft_length + (self.hop - 1 if self.exact_tail else 0)
        frames = missing // self.hop + 1
        return max(frames, 1) if isinstance(frames, int) else jnp.maximum(frames, 1)

    def num_samples(self, num_frames: Any) -> Any:
        """The greatest number of samples that so many frames give back."""
        return (num_frames - 1) * self.hop + (0 if self.centred else self.fft_length)

    def check(self) -> None:
        """Checks the settings.

        Raises:
          ConfigError: a setting cannot be used.
        """
        if self.fft_length < 2 or self.fft_length % 2:
            raise ConfigError(f"stft.fft_length is {self.fft_length}: it must be even, and at least 2")
        if not 1 <= self.hop <= self.fft_length:
            raise ConfigError(f"stft.hop is {self.hop}: it must be from 1 to fft_length, {self.fft_length}")
        if self.magnitude_power <= 0 or self.scale <= 0:
            raise ConfigError("stft.magnitude_power and stft.scale must be above 0")
        if self.window not in WINDOWS:
            raise ConfigError(f"stft.window is {self.window!r}: use one of {', '.join(WINDOWS)}")


def window_of(settings: STFT) -> Float[np.ndarray, " M"]:
    """The window, in float64 on the host.

    Raises:
      ConfigError: a setting cannot be used.
    """
    settings.check()
    return centred_window(settings.window, settings.fft_length, size=settings.fft_length, periodic=True)


def stft(
    samples: Float[Array, "..."], num_samples: Int[Array, "..."], settings: STFT
) -> tuple[Complex[Array, "..."], Int[Array, "..."]]:
    """Transforms signals.

    Args:
      samples: [... S], usually [B S] or [B C S]. float64 gives complex128, everything else complex64.
      num_samples: [B], or as many of the first axes as the lengths differ along. Samples beyond may hold anything.
      settings: those of the transform.

    Returns:
      Spectra [... N F], zero beyond each row's frames, and the numbers of frames, shaped as `num_samples`;
      N = settings.num_frames(S).
    """
    window = window_of(settings)
    dtype = jnp.float64 if samples.dtype == jnp.float64 else jnp.float32
    size = samples.shape[-1]
    samples = jnp.where(last_axis_mask(num_samples, size, samples.ndim), samples, 0).astype(dtype)
    num_frames = settings.num_frames(num_samples)
    frames = settings.num_frames(size)
    spectra = spectra_of(framed(samples, settings, before=settings.offset, num_frames=frames), window)
    real = last_axis_mask(num_frames, frames, samples.ndim)[..., None]
    return jnp.where(real, compressed(spectra, settings), 0), num_frames


def istft(
    spectra: Complex[Array, "..."], num_samples: Int[Array, "..."], settings: STFT, *, size: Size | None = None
) -> Float[Array, "..."]:
    """Inverts `stft`: least squares among the signals, where no signal has these spectra.

    Args:
      spectra: [... N F]. Frames beyond settings.num_frames(num_samples) may hold anything.
      num_samples: [B], or as many of the first axes as the lengths differ along: what `stft` was given.
      settings: those of the transform.
      size: number S of samples of the result, usually that of the transformed array; by default as many as the frames
        give back.

    Returns:
      Samples [... S], zero beyond each row's length, which is num_samples; without `exact_tail` what
      settings.num_samples(settings.num_frames(num_samples)) says.
    """
    window = window_of(settings)
    frames = spectra.shape[-2]
    num_frames = jnp.minimum(settings.num_frames(num_samples), frames)
    real = last_axis_mask(num_frames, frames, spectra.ndim - 1)[..., None]
    pieces, squares = windowed_frames(jnp.where(real, spectra, 0), real, window, settings)
    summed = overlap_add(pieces, settings.hop) / sums_of_squares(overlap_add(squares, settings.hop))
    summed = summed[..., settings.offset :]
    wanted: Size = settings.num_samples(frames) if size is None else size
    short = wanted - summed.shape[-1]
    if isinstance(short, int) and short > 0:
        summed = jnp.pad(summed, [(0, 0)] * (summed.ndim - 1) + [(0, short)])
    kept = jnp.minimum(num_samples, settings.num_samples(num_frames))
    return jnp.where(last_axis_mask(kept, wanted, summed.ndim), summed[..., :wanted], 0)


def compressed(spectra: Complex[Array, "..."], settings: STFT) -> Complex[Array, "..."]:
    """Applies the power of the magnitudes, then the scale."""
    return power_of(spectra, settings.magnitude_power) * settings.scale


def expanded(spectra: Complex[Array, "..."], settings: STFT) -> Complex[Array, "..."]:
    """Undoes `compressed`."""
    return power_of(spectra / settings.scale, 1 / settings.magnitude_power)


def power_of(spectra: Complex[Array, "..."], exponent: float) -> Complex[Array, "..."]:
    """c |c|^(exponent - 1); 0, with the gradient 0, where c is 0."""
    if exponent == 1:
        return spectra
    squares = spectra.real**2 + spectra.imag**2
    # The power is taken of 1 where it would be infinite, as `where` multiplies the gradient of what it drops by 0.
    factors = jnp.where(squares > 0, jnp.where(squares > 0, squares, 1.0) ** ((exponent - 1) / 2), 0.0)
    return spectra * factors


def framed(samples: Float[Array, "..."], settings: STFT, *, before: int, num_frames: Size) -> Float[Array, "..."]:
    """Cuts [... S] into overlapping frames [... N M], after `before` zeros; zeros follow the last sample."""
    hop, size = settings.hop, settings.fft_length
    parts = -(-size // hop)
    blocks = num_frames + parts - 1
    axes = [(0, 0)] * (samples.ndim - 1)
    after = blocks * hop - before - samples.shape[-1]
    # A symbol's sign is unknown.
    after = max(after, 0) if isinstance(after, int) else blocks * hop
    padded = jnp.pad(samples, [*axes, (before, after)])[..., : blocks * hop]
    padded = padded.reshape(*samples.shape[:-1], blocks, hop)
    # Whole blocks are put side by side: that is faster than gathering frames, whose gradient would be a scatter.
    frames = jnp.concatenate([padded[..., j : j + num_frames, :] for j in range(parts)], axis=-1)
    return frames[..., :size]


def spectra_of(frames: Float[Array, "..."], window: Float[np.ndarray, " M"]) -> Complex[Array, "..."]:
    """Transforms windowed frames: [... N M] -> [... N F]."""
    return over_first(jnp.fft.rfft, frames * jnp.asarray(window, frames.dtype))


def windowed_frames(
    spectra: Complex[Array, "..."], counted: Any, window: Float[np.ndarray, " M"], settings: STFT
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Frames [... N M] to be added up, and the squares of their windows, zero where `counted` [... N 1] is False."""
    frames = over_first(lambda x: jnp.fft.irfft(x, settings.fft_length), expanded(spectra, settings))
    factors = jnp.asarray(window, frames.dtype)
    return frames * factors, jnp.where(counted, factors**2, 0)


def sums_of_squares(squares: Float[Array, "..."]) -> Float[Array, "..."]:
    """What overlapped frames are divided by: 1 where no window counts."""
    return jnp.where(squares > NO_WEIGHT, squares, 1)


def over_first(function: Any, batch: Array) -> Array:
    """Transforms on each device its own part of the first axis: XLA would gather all for a Fourier transform."""
    return over_rows(function, batch) if batch.ndim > 1 else jax.jit(function)(batch)
