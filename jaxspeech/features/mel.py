"""Computes log-mel spectrograms, numerically equal to those of NeMo's AudioToMelSpectrogramPreprocessor.

    x = x + dither * noise                        when training
    x[n] = x[n] - preemphasis * x[n - 1]          and 0 after the utterance's end
    y = mel_filters((|STFT(x)|^2 + power_guard)^(mag_power / 2))
    y = log(y + guard)
    y = (y - mean) / (std + 1e-5)                 over the utterance

The frames are centred on every hop-th sample, with zeros around the audio.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.checks import check_band, check_choice, check_not_negative, check_positive
from jaxspeech.features.filterbank import mel_filterbank
from jaxspeech.features.framing import Framing, framing
from jaxspeech.features.normalization import NORMALIZATIONS, normalize
from jaxspeech.features.spectrum import filtered_spectrum
from jaxspeech.features.window import WINDOWS, centred_window
from jaxspeech.history import in_parts, with_history
from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.randomness import standard_normal


class MelSpectrogram(nn.Module):
    """Computes log-mel frames of waveforms.

    Attributes:
      sample_rate: of the audio, in Hz.
      window: "hann", "hamming", "blackman", "bartlett" (symmetric) or "none".
      window_seconds, hop_seconds: length of a frame, and distance between frames, rounded down to samples.
      fft_size: length of the Fourier transform; None: the least power of two that fits the window.
      num_mels: number of mel bands.
      preemphasis: share of the preceding sample to subtract; None: no preemphasis.
      dither: standard deviation of the noise that training adds (random stream "dither").
      normalize: "per_feature", "all_features" or "none".
      log: take the logarithm.
      log_guard: how the logarithm is kept finite: "add" log_guard_value, or "clamp" to at least that.
      log_guard_value: in units of mel energy.
      mag_power: exponent of the magnitudes; 2 gives energies.
      power_guard: added to the spectrum's powers; for a loss of magnitudes, whose gradient it limits (NeMo's use_grads
        adds 1e-5).
      low_hz, high_hz: range of the mel bands; None: up to half the sample rate.
      mel_norm: "slaney", filters of equal area, or "none", filters of equal height.
      pad_to: pad the number of frames T to a multiple of this; 0: no padding.
      pad_value: value of frames after an utterance's end.
      exact_pad: pad the audio by (fft_size - hop) / 2 on each side, not fft_size / 2: one frame less.
      frame_splicing: number of copies of each frame, concatenated.

    Raises:
      ConfigError: a field cannot be used.
    """

    sample_rate: int = 16000
    window: str = "hann"
    window_seconds: float = 0.025
    hop_seconds: float = 0.01
    fft_size: int | None = 512
    num_mels: int = 80
    preemphasis: int | float | None = 0.97
    dither: int | float = 1e-5
    normalize: str = "per_feature"
    log: bool = True
    log_guard: str = "add"
    log_guard_value: int | float = 2**-24
    mag_power: int | float = 2.0
    power_guard: int | float = 0.0
    low_hz: int | float = 0.0
    high_hz: int | float | None = None
    mel_norm: str = "slaney"
    pad_to: int = 0
    pad_value: int | float = 0.0
    exact_pad: bool = False
    frame_splicing: int = 1

    def __post_init__(self):
        check_choice("window", self.window, WINDOWS)
        check_choice("normalize", self.normalize, NORMALIZATIONS)
        check_choice("log_guard", self.log_guard, ("add", "clamp"))
        check_choice("mel_norm", self.mel_norm, ("slaney", "none"))
        check_positive(num_mels=self.num_mels, frame_splicing=self.frame_splicing)
        check_band(self.low_hz, self._top_hz, sample_rate=self.sample_rate)
        check_not_negative(pad_to=self.pad_to, power_guard=self.power_guard)
        hop = self._framing.hop
        if self.exact_pad and hop % 2:
            raise ConfigError(f"exact_pad needs an even hop, not {hop} samples: change hop_seconds")
        super().__post_init__()

    @property
    def num_features(self) -> int:
        """The number of features per frame, F."""
        return self.num_mels * self.frame_splicing

    @property
    def hop_and_fft(self) -> tuple[int, int]:
        """Samples from one frame to the next, and in each frame's Fourier transform."""
        return self._framing.hop, self._framing.fft

    @property
    def analysis_window(self) -> Float[np.ndarray, " N"]:
        """The factors for the samples of a frame, in float64."""
        window = self._framing.window
        return centred_window(self.window, window, size=window)

    @property
    def filters(self) -> Float[np.ndarray, "bins F"]:
        """The weights from the bins of a spectrum to the mel bands, in float64."""
        return mel_filterbank(
            self.num_mels,
            fft_size=self._framing.fft,
            sample_rate=self.sample_rate,
            low_hz=self.low_hz,
            high_hz=self._top_hz,
            norm=self.mel_norm,
        )

    @nn.compact
    def __call__(
        self, samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, train: bool = False
    ) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
        """Compute features in float32, whatever the dtype of the samples, and the number of real frames of each row.

        A row has num_samples // hop real frames; the tensor has one more than the longest possible row, and more
        with `pad_to`. The values of samples after `num_samples`, even NaN, have no effect.
        """
        samples, num_samples = jnp.asarray(samples, jnp.float32), jnp.asarray(num_samples)
        if in_parts(self):
            return self._part(samples, num_samples)
        features = self._log_mel(self._with_margins(samples, num_samples, dither=train and self.dither > 0))
        return self.finish(features, self._num_frames(num_samples))

    def finish(
        self, frames: Float[Any, "B T F"], num_frames: Int[Any, " B"]
    ) -> tuple[Float[Array, "B T_padded F"], Int[Array, " B"]]:
        """Normalise and pad frames that were computed without that, or generated; return them with their numbers."""
        num_frames = jnp.asarray(num_frames)
        return self._pad(normalize(frames, num_frames, over=self.normalize), num_frames), num_frames

    def _log_mel(self, samples: Array) -> Array:
        """Frames of samples that include their margins, before normalisation."""
        window, hop, fft = self._framing
        energies = filtered_spectrum(
            samples,
            centred_window(self.window, window, size=fft),
            self.filters,
            hop=hop,
            mag_power=self.mag_power,
            guard=self.power_guard,
        )
        features = self._compress(energies) if self.log else energies
        # NeMo splices a frame with itself, not with its neighbours.
        return jnp.tile(features, (1, 1, self.frame_splicing))

    def _part(self, samples: Array, num_samples: Array) -> tuple[Array, Array]:
        """Compute the S / hop frames whose windows end within the next S samples (see `jaxspeech.history`).

        The first frame of a recording is centred on its first sample, so its window ends at sample fft_size / 2.
        """
        _, hop, fft = self._framing
        before = fft - hop
        samples = with_history(self, "samples", samples, before + 1)  # one more, for the first one's preemphasis
        samples = samples[:, 1:] - (self.preemphasis or 0) * samples[:, :-1]
        num_frames = jnp.clip((num_samples + fft // 2) // hop - 1, 0, (samples.shape[1] - before) // hop)
        return self._log_mel(zero_padding(samples, before + num_samples)), num_frames.astype(jnp.int32)

    @property
    def _framing(self) -> Framing:
        return framing(
            sample_rate=self.sample_rate,
            window_seconds=self.window_seconds,
            hop_seconds=self.hop_seconds,
            fft_size=self.fft_size,
        )

    @property
    def _margin(self) -> int:
        """Zeros on each side of the audio."""
        _, hop, fft = self._framing
        return (fft - hop) // 2 if self.exact_pad else fft // 2

    @property
    def _top_hz(self) -> float:
        return float(self.high_hz or self.sample_rate / 2)

    def _num_frames(self, num_samples: Array) -> Array:
        frames = (num_samples + 2 * self._margin - self._framing.fft) // self._framing.hop
        return jnp.maximum(frames, 0).astype(jnp.int32)

    def _with_margins(self, samples: Array, num_samples: Array, *, dither: bool) -> Array:
        """The samples with preemphasis and with zeros around them: [B, S + 2 margins]."""
        before = self._margin + 1  # one more, for the first sample's preemphasis
        samples = jnp.pad(samples, ((0, 0), (before, self._margin)))
        if dither:
            # Drawn for the margins too: fused with a padding, XLA would compute the noise one number at a time.
            noise = self.dither * standard_normal(self.make_rng("dither"), samples.shape)
            samples += jnp.where(jnp.arange(samples.shape[1]) >= before, noise, 0.0)
        if self.preemphasis is None:
            return zero_padding(samples[:, 1:], self._margin + num_samples)
        # With exact_pad NeMo truncates at num_samples after padding, and so loses the end of the audio.
        end = num_samples if self.exact_pad else self._margin + num_samples
        return zero_padding(samples[:, 1:] - self.preemphasis * samples[:, :-1], end)

    def _compress(self, energies: Array) -> Array:
        if self.log_guard == "add":
            return jnp.log(energies + self.log_guard_value)
        return jnp.log(jnp.maximum(energies, self.log_guard_value))

    def _pad(self, features: Array, num_frames: Array) -> Array:
        extra = -features.shape[1] % self.pad_to if self.pad_to else 0
        features = jnp.pad(features, ((0, 0), (0, extra), (0, 0)))
        return jnp.where(length_mask(num_frames, features.shape[1])[:, :, None], features, self.pad_value)


def log_mel(
    samples: Float[Any, "B S"], num_samples: Int[Any, " B"], *, dither_key: Any = None, **fields: Any
) -> tuple[Float[Array, "B T F"], Int[Array, " B"]]:
    """`MelSpectrogram(**fields)` as a pure function: features [B T F] and the number of real frames [B].

    With a `dither_key` it adds the noise that training adds.
    """
    rngs = None if dither_key is None else {"dither": dither_key}
    return MelSpectrogram(**fields).bind({}, rngs=rngs)(samples, num_samples, train=rngs is not None)
