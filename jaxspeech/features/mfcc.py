"""Computes mel-frequency cepstral coefficients, numerically equal to those of NeMo's AudioToMFCCPreprocessor.

    y = htk_filters(|STFT(x)|^2)
    c[k] = sum_m log(y[m] + 1e-6) cos(pi k (m + 1/2) / M) * scale_k

The window is periodic. Each recording is padded by reflection at both its ends, as NeMo does with a recording alone; in
a batch, NeMo reflects only at the end of the longest.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.checks import check_band, check_choice, check_positive
from jaxspeech.features.filterbank import mel_filterbank
from jaxspeech.features.framing import Framing, framing
from jaxspeech.features.spectrum import filtered_spectrum
from jaxspeech.features.window import WINDOWS, centred_window
from jaxspeech.masks import zero_padding

LOG_GUARD = 1e-6
DECIBEL_GUARD = 1e-10
DYNAMIC_RANGE_DECIBELS = 80.0


class MFCC(nn.Module):
    """Computes cepstral coefficients of waveforms.

    Attributes:
      sample_rate: of the audio, in Hz.
      window: "hann", "hamming", "blackman", "bartlett" (periodic) or "none".
      window_seconds, hop_seconds: length of a frame, and distance between frames, rounded down to samples.
      fft_size: length of the Fourier transform; None: the least power of two that fits the window.
      num_mels: number of mel bands, on the HTK scale.
      num_coefficients: number of cepstral coefficients that are kept.
      low_hz, high_hz: range of the mel bands; None: up to half the sample rate.
      log: True: natural logarithm; False: decibels, at most 80 below the utterance's loudest band.
      dct_norm: "ortho", an orthonormal transform, or "none", twice the plain sum.

    Raises:
      ConfigError: a field cannot be used.
    """

    sample_rate: int = 16000
    window: str = "hann"
    window_seconds: float = 0.02
    hop_seconds: float = 0.01
    fft_size: int | None = None
    num_mels: int = 64
    num_coefficients: int = 64
    low_hz: int | float = 0.0
    high_hz: int | float | None = None
    log: bool = True
    dct_norm: str = "ortho"

    def __post_init__(self):
        check_choice("window", self.window, WINDOWS)
        check_choice("dct_norm", self.dct_norm, ("ortho", "none"))
        check_positive(num_mels=self.num_mels, num_coefficients=self.num_coefficients)
        check_band(self.low_hz, self._top_hz, sample_rate=self.sample_rate)
        if self.num_coefficients > self.num_mels:
            raise ConfigError(f"num_coefficients {self.num_coefficients} exceeds num_mels {self.num_mels}")
        _ = self._framing
        super().__post_init__()

    @property
    def num_features(self) -> int:
        """The number of features per frame, F."""
        return self.num_coefficients

    @property
    def filters(self) -> Float[np.ndarray, "bins M"]:
        """The mel bands' filters over the bins of a spectrum, in float64."""
        return mel_filterbank(
            self.num_mels,
            fft_size=self._framing.fft,
            sample_rate=self.sample_rate,
            low_hz=self.low_hz,
            high_hz=self._top_hz,
            scale="htk",
            norm="none",
        )

    @property
    def analysis_window(self) -> Float[np.ndarray, " W"]:
        """The window of a frame, without the zeros up to the length of the transform."""
        return centred_window(self.window, self._framing.window, size=self._framing.window, periodic=True)

    @property
    def transform(self) -> Float[np.ndarray, "M F"]:
        """The cosine transform from mel bands to coefficients, in float64."""
        return cosine_transform(self.num_mels, self.num_coefficients, norm=self.dct_norm)

    def frames_alone(self, num_samples: Int[Array, " B"]) -> Int[Array, " B"]:
        """Count the frames that NeMo's tensor has for a recording alone.

        Where its length is a multiple of the hop, that is one more than the real frames: zeros, which are pooled too.
        """
        return num_samples // self._framing.hop + 1

    @nn.compact
    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Compute coefficients in float32, zero after each row's ceil(num_samples / hop) real frames, and that number.

        The values of samples after `num_samples`, even NaN, have no effect; neither has `train`.
        """
        num_samples = jnp.asarray(num_samples)
        samples = zero_padding(jnp.asarray(samples, jnp.float32), num_samples)
        window, hop, fft = self._framing
        num_frames = -(-num_samples // hop)

        energies = filtered_spectrum(
            reflect_ends(samples, num_samples, fft // 2),
            centred_window(self.window, window, size=fft, periodic=True),
            self.filters,
            hop=hop,
        )
        bands = jnp.log(energies + LOG_GUARD) if self.log else decibels(zero_padding(energies, num_frames))
        coefficients = jnp.matmul(bands, jnp.asarray(self.transform, jnp.float32), precision="highest")
        return zero_padding(coefficients, num_frames), num_frames.astype(jnp.int32)

    @property
    def _framing(self) -> Framing:
        return framing(
            sample_rate=self.sample_rate,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
            fft_size=self.fft_size,
        )

    @property
    def _top_hz(self) -> float:
        return float(self.high_hz or self.sample_rate / 2)


def reflect_ends(samples: Float[Array, "B S"], num_samples: Int[Array, " B"], size: int) -> Float[Array, "B _"]:
    """Extend each row by `size` samples on both sides: x[size], ..., x[1] before it, x[n - 2], x[n - 3], ... after it.

    Where a row has too few samples for that, and after its reflection, there are zeros.
    """
    samples = jnp.pad(samples, ((0, 0), (0, max(size + 1 - samples.shape[1], 0))))
    places = num_samples[:, None] - 2 - jnp.arange(size)
    tail = jnp.where(places >= 0, jnp.take_along_axis(samples, jnp.maximum(places, 0), 1), 0)
    padded = jnp.concatenate([samples[:, size:0:-1], samples, jnp.zeros_like(tail)], 1)
    return jax.vmap(lambda row, end, n: jax.lax.dynamic_update_slice(row, end, (n + size,)))(padded, tail, num_samples)


def decibels(energies: Float[Array, "B T F"]) -> Float[Array, "B T F"]:
    """Convert energies to decibels, at least 80 dB below each row's largest."""
    levels = 10 * jnp.log10(jnp.maximum(energies, DECIBEL_GUARD))
    return jnp.maximum(levels, jnp.max(levels, (1, 2), keepdims=True) - DYNAMIC_RANGE_DECIBELS)


def cosine_transform(num_mels: int, num_coefficients: int, *, norm: str) -> Float[np.ndarray, "M F"]:
    """Compute the type II discrete cosine transform from bands to coefficients, in float64."""
    bands, orders = np.arange(num_mels)[:, None], np.arange(num_coefficients)
    transform = 2 * np.cos(np.pi * orders * (bands + 0.5) / num_mels)
    if norm == "none":
        return transform
    return transform * np.where(orders == 0, np.sqrt(1 / (4 * num_mels)), np.sqrt(1 / (2 * num_mels)))
