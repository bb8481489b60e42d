"""What a neural codec is trained by: distances of mels, spectra and samples, and what discriminators see."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.features.mel import MelSpectrogram
from jaxspeech.losses.adversarial import DISTANCES
from jaxspeech.losses.feature_matching import KINDS
from jaxspeech.losses.log_spectrum import POWER_GUARD, log_spectrum_loss
from jaxspeech.losses.sdr import sdr_loss
from jaxspeech.losses.spectral import check_resolutions, mae_loss, mse_loss

RESOLUTIONS = tuple((size, size // 4, size) for size in (32, 64, 128, 256, 512, 1024, 2048))


@dataclass(frozen=True)
class CodecLoss:
    """The section `loss`: the weights of its terms, 0 for none, and their settings.

    Attributes:
      mel, mel_square: of the mean magnitude and the mean square of the differences of log mels.
      stft: of `log_spectrum_loss`.
      samples: of the mean magnitude of the differences of samples.
      si_sdr: of the negative SI-SDR in dB.
      commitment: of the quantizer's.
      adversarial: of the discriminators' scores.
      features: of what their layers see.
      resolutions: size of the DFT, hop and length of the window of each, in samples.
      num_mels: at each resolution.
      mel_guard, stft_guard: added to magnitudes before the logarithm.
      distance: of the scores, see `losses.adversarial`.
      features_kind: see `losses.feature_matching`.
    """

    mel: int | float = 1.0
    mel_square: int | float = 0.0
    stft: int | float = 20.0
    samples: int | float = 0.0
    si_sdr: int | float = 0.0
    commitment: int | float = 1.0
    adversarial: int | float = 1.0
    features: int | float = 1.0
    resolutions: tuple[tuple[int, int, int], ...] = RESOLUTIONS
    num_mels: tuple[int, ...] = (5, 10, 20, 40, 80, 160, 320)
    mel_guard: int | float = 1.0
    stft_guard: int | float = 1.0
    distance: str = "squares"
    features_kind: str = "absolute"

    def __post_init__(self) -> None:
        check_resolutions(self.resolutions)
        if len(self.num_mels) != len(self.resolutions):
            raise ConfigError(
                f"model.loss: num_mels has {len(self.num_mels)} numbers, for {len(self.resolutions)} resolutions"
            )
        for name, value, known in (
            ("distance", self.distance, DISTANCES),
            ("features_kind", self.features_kind, KINDS),
        ):
            if value not in known:
                raise ConfigError(f"model.loss.{name} cannot be {value!r}{did_you_mean(str(value), known)}")


def mel_distances(
    estimates: Float[Any, "B S"], targets: Float[Any, "B S"], num_samples: Int[Any, " B"], loss: CodecLoss, rate: int
) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """The mean magnitude and the mean square of the differences of log mels, means over the resolutions.

    Args:
      estimates, targets: samples.
      num_samples: real samples of each row.
      loss: the settings.
      rate: the sample rate in Hz.
    """
    magnitudes, squares = [], []
    for i in range(len(loss.resolutions)):
        mel = mel_at(loss, i, rate).bind({})
        (e, _), (t, num_frames) = (mel(x, num_samples) for x in (estimates, targets))
        # A row of less than a frame has no distance.
        pair = e[:, None], t[:, None], jnp.maximum(num_frames, 1)
        magnitudes.append(mae_loss(*pair))
        squares.append(mse_loss(*pair))
    return _mean(magnitudes), _mean(squares)


def mel_at(loss: CodecLoss, number: int, rate: int) -> MelSpectrogram:
    """The mels of one of the resolutions."""
    size, hop, window = loss.resolutions[number]
    return MelSpectrogram(
        sample_rate=rate,
        # Half a sample more, as seconds are rounded down to samples.
        window_seconds=(window + 0.5) / rate,
        hop_seconds=(hop + 0.5) / rate,
        fft_size=size,
        num_mels=loss.num_mels[number],
        preemphasis=None,
        dither=0.0,
        normalize="none",
        log_guard_value=loss.mel_guard,
        mag_power=1.0,
        power_guard=POWER_GUARD,
        mel_norm="none",
    )


def reconstruction(
    estimates: Float[Any, "B S"], targets: Float[Any, "B S"], num_samples: Int[Any, " B"], loss: CodecLoss, rate: int
) -> dict[str, Float[Array, " B"]]:
    """The terms that compare samples, by the names of their weights; those with a weight of 0 are left out."""
    terms: dict[str, Float[Array, " B"]] = {}
    if loss.mel or loss.mel_square:
        found = dict(
            zip(("mel", "mel_square"), mel_distances(estimates, targets, num_samples, loss, rate), strict=True)
        )
        terms |= {name: value for name, value in found.items() if getattr(loss, name)}
    if loss.stft:
        options: dict[str, Any] = {"resolutions": loss.resolutions, "guard": loss.stft_guard}
        terms["stft"] = log_spectrum_loss(estimates, targets, num_samples, **options)
    pair = estimates[:, None], targets[:, None], num_samples
    if loss.samples:
        terms["samples"] = mae_loss(*pair)
    if loss.si_sdr:
        terms["si_sdr"] = sdr_loss(*pair, scale_invariant=True)
    return terms


def _mean(values: Sequence[Array]) -> Array:
    return sum(values[1:], values[0]) / len(values)
