"""Computes mel-frequency cepstral coefficients, numerically equal to those of NeMo's AudioToMFCCPreprocessor.

    y = htk_filters(|STFT(x)|^2)
    c[k] = sum_m log(y[m] + 1e-6) cos(pi k (m + 1/2) / M) * scale_k

The window is periodic. The tensor is padded by reflection at both ends, and rows that end earlier continue with zeros.
So, as in NeMo, the last frame of the longest row of a batch differs slightly from its value in a longer tensor.
"""

from typing import Any

import flax.linen as nn
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
            jnp.pad(samples, ((0, 0), (fft // 2, fft // 2)), mode="reflect"),
            centred_window(self.window, window, size=fft, periodic=True),
            self._filters(),
            hop=hop,
        )
        bands = jnp.log(energies + LOG_GUARD) if self.log else decibels(zero_padding(energies, num_frames))
        transform = cosine_transform(self.num_mels, self.num_coefficients, norm=self.dct_norm)
        coefficients = jnp.matmul(bands, jnp.asarray(transform, jnp.float32), precision="highest")
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

    def _filters(self) -> np.ndarray:
        return mel_filterbank(
            self.num_mels,
            fft_size=self._framing.fft,
            sample_rate=self.sample_rate,
            low_hz=self.low_hz,
            high_hz=self._top_hz,
            scale="htk",
            norm="none",
        )


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
