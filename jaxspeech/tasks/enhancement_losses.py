"""The losses that a recipe of enhancement can name: each is called with (estimates, targets, num_samples) -> [B]."""

from dataclasses import dataclass, replace
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.losses.channels import check_weights
from jaxspeech.losses.sdr import check_sdr_options, sdr_loss
from jaxspeech.losses.separation import match_targets
from jaxspeech.losses.spectral import RESOLUTIONS, check_resolutions, mae_loss, mse_loss, stft_loss

Signals = Float[Any, "B M S"]
Lengths = Int[Any, " B"]
# What stands for a loss of inf where sources are matched: more than any other, but finite.
UNLEARNABLE = 1e6


@dataclass(frozen=True)
class SDRLoss:
    """The negative ratio of signal to distortion in dB, see `losses.sdr`."""

    scale_invariant: bool = False
    convolution_invariant: bool = False
    convolution_filter_length: int = 512
    remove_mean: bool = True
    sdr_max: int | float | None = None
    weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_sdr_options(self.scale_invariant, self.convolution_invariant, self.convolution_filter_length, self.weight)

    def __call__(self, estimates: Signals, targets: Signals, num_samples: Lengths) -> Float[Array, " B"]:
        """Computes the loss of each row."""
        options = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return sdr_loss(estimates, targets, num_samples, **options)


@dataclass(frozen=True)
class MSELoss:
    """The mean square of the differences of samples, see `losses.spectral`."""

    weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_weights(self.weight)

    def __call__(self, estimates: Signals, targets: Signals, num_samples: Lengths) -> Float[Array, " B"]:
        """Computes the loss of each row."""
        return mse_loss(estimates, targets, num_samples, weight=self.weight)


@dataclass(frozen=True)
class MAELoss:
    """The mean magnitude of the differences of samples, see `losses.spectral`."""

    weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_weights(self.weight)

    def __call__(self, estimates: Signals, targets: Signals, num_samples: Lengths) -> Float[Array, " B"]:
        """Computes the loss of each row."""
        return mae_loss(estimates, targets, num_samples, weight=self.weight)


@dataclass(frozen=True)
class STFTLoss:
    """The multi-resolution STFT loss, see `losses.spectral`."""

    resolutions: tuple[tuple[int, int, int], ...] = RESOLUTIONS
    weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check_resolutions(self.resolutions)
        check_weights(self.weight)

    def __call__(self, estimates: Signals, targets: Signals, num_samples: Lengths) -> Float[Array, " B"]:
        """Computes the loss of each row."""
        return stft_loss(estimates, targets, num_samples, resolutions=self.resolutions, weight=self.weight)


LOSSES: dict[str, Any] = {"mae": MAELoss, "mse": MSELoss, "sdr": SDRLoss, "stft": STFTLoss}


def in_best_order(loss: Any, estimates: Signals, targets: Signals, num_samples: Lengths) -> Signals:
    """Returns the targets in the order in which the sum of the sources' losses is least, as separation is trained."""

    def of_each(estimates: Signals, targets: Signals, num_samples: Lengths) -> Float[Array, "B M"]:
        rows, sources, size = estimates.shape
        # Every source is a row of its own, with one channel.
        alone = [x.reshape(rows * sources, 1, size) for x in (estimates, targets)]
        alike = replace(loss, weight=None)  # the weights are of the places, not of the sources
        losses = alike(*alone, jnp.repeat(num_samples, sources, total_repeat_length=rows * sources))
        return jnp.where(jnp.isfinite(losses), losses, UNLEARNABLE).reshape(rows, sources)

    return match_targets(of_each, estimates, targets, num_samples)[0]
