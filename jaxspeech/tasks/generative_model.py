"""The model of generative enhancement: a network, a random process, and a sampler that follows it."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.features.patches import Patches
from jaxspeech.features.stft import STFT, stft
from jaxspeech.losses.spectral import mae_loss, mse_loss
from jaxspeech.masks import length_mask
from jaxspeech.processes.bridge import BridgeHeun, BridgeODE, BridgeSDE, BridgeVE, BridgeVP
from jaxspeech.processes.flow import Euler, Flow, Heun, Midpoint
from jaxspeech.processes.ou_ve import OUVE, PredictorCorrector
from jaxspeech.tasks.enhancement import EPSILON

DISTANCES = {"mse": mse_loss, "mae": mae_loss}
PROCESSES = {"ou_ve": OUVE, "flow": Flow, "bridge_ve": BridgeVE, "bridge_vp": BridgeVP}
SAMPLERS = {
    "predictor_corrector": PredictorCorrector,
    "euler": Euler,
    "heun": Heun,
    "midpoint": Midpoint,
    "bridge_sde": BridgeSDE,
    "bridge_ode": BridgeODE,
    "bridge_heun": BridgeHeun,
}


class Encoded(NamedTuple):
    """Spectra of recordings, zero beyond each row's frames.

    Attributes:
      spectra, num_frames: of the recordings, divided by the scale.
      scale: [B 1 1].
    """

    spectra: Complex[Array, "B C N F"]
    num_frames: Int[Array, " B"]
    scale: Float[Array, "B 1 1"]


@dataclass(frozen=True)
class GenerativeLoss:
    """The section `loss`: the distance of the estimate and what it should be.

    Attributes:
      spectrum: "mse" or "mae", of spectra.
      spectrum_weight: its factor.
      waveform: the same, of the samples, for a network that estimates the clean spectrum.
      waveform_weight: its factor.
    """

    spectrum: str = "mse"
    spectrum_weight: int | float = 1.0
    waveform: str = "mae"
    waveform_weight: int | float = 0.0

    def __post_init__(self) -> None:
        for name in (self.spectrum, self.waveform):
            if name not in DISTANCES:
                raise ConfigError(f"model.loss: a distance cannot be {name!r} (can be {', '.join(DISTANCES)})")
        if min(self.spectrum_weight, self.waveform_weight) < 0 or not (self.spectrum_weight or self.waveform_weight):
            raise ConfigError("model.loss: one weight must be positive, and none negative")


class GenerativeModel(nn.Module):
    """A network with a process and a way to follow it.

    Attributes:
      estimator: is called with (state and noisy spectrum [B 2C N F], num_frames, time [B], train=).
      process: from clean to noisy spectra, see `jaxspeech.processes`.
      sampler: back.
      loss: of the estimates.
      stft: the transform, see `features.stft`.
      sample_rate: in Hz.
      normalize_input: whether recordings are divided by their greatest sample, and the outputs multiplied by it.
      condition_rate: how often the network is shown the noisy spectrum in training; at 0 never, and not in use either.
      pretraining: which frames of it are hidden, for a model that learns to fill them in.
    """

    estimator: Any
    process: Any
    sampler: Any
    loss: GenerativeLoss = GenerativeLoss()
    stft: STFT = STFT(510, 128, magnitude_power=0.5, scale=0.33)
    sample_rate: int = 16000
    normalize_input: bool = True
    condition_rate: float = 1.0
    pretraining: Patches | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.process, self.sampler.follows):
            known = ", ".join(name for name, kind in SAMPLERS.items() if isinstance(self.process, kind.follows))
            raise ConfigError(f"model.sampler: it does not follow this model.process; use one of {known}")
        if not self.estimator.conditioned_on_time:
            raise ConfigError("model.estimator.conditioned_on_time must be True")
        if self.loss.waveform_weight and self.process.estimates != "data":
            raise ConfigError("model.loss.waveform_weight is for a network that estimates the clean spectrum")
        if not 0 <= self.condition_rate <= 1:
            raise ConfigError("model.condition_rate must lie between 0 and 1")

    @property
    def channels(self) -> int:
        """C, of the recordings and of the outputs."""
        return self.estimator.num_outputs

    def encode(
        self, samples: Float[Any, "B C S"], num_samples: Int[Any, " B"], scale: Float[Any, "B 1 1"] | None = None
    ) -> Encoded:
        """Computes spectra of the samples divided by the scale, or by their own peak if it is None."""
        samples, num_samples = jnp.asarray(samples), jnp.asarray(num_samples)
        samples = jnp.where(length_mask(num_samples, samples.shape[-1])[:, None], samples, 0.0)
        if scale is None:
            peak = jnp.abs(samples).max((1, 2), keepdims=True) + EPSILON
            scale = peak if self.normalize_input else jnp.ones_like(peak)
        return Encoded(*stft(samples / scale, num_samples, self.stft), scale)

    def estimate(
        self,
        state: Complex[Any, "B C N F"],
        noisy: Complex[Any, "B C N F"],
        num_frames: Int[Any, " B"],
        time: Float[Any, " B"],
        *,
        train: bool = False,
    ) -> Complex[Array, "B C N F"]:
        """Runs the network; its estimate is zero beyond each row's frames."""
        estimate = self.estimator(jnp.concatenate([state, noisy], 1), num_frames, time, train=train)
        return jnp.where(length_mask(num_frames, estimate.shape[2])[:, None, :, None], estimate, 0)

    __call__ = estimate
