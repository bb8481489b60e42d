"""The Ornstein-Uhlenbeck process with exploding variance (Richter et al., 2023; NeMo's diffusion.py).

    dx = g (y - x) dt + s_min r^t sqrt(2 ln r) dw,  r = s_max / s_min
    x_t = e^{-g t} x_0 + (1 - e^{-g t}) y + std(t) z
    std(t)^2 = s_min^2 ln r (r^{2t} - e^{-2 g t}) / (g + ln r)

The network estimates the score, -z / std(t) in expectation.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxspeech.errors import ConfigError
from jaxspeech.processes.sampler import (
    OUTPUTS,
    Draw,
    Example,
    Spectra,
    Steps,
    between,
    check_choice,
    interleaved,
    table,
)

EPS = 1e-8  # NeMo adds it to s_min and to r


@dataclass(frozen=True)
class OUVE:
    """The process.

    Attributes:
      stiffness: g, how fast the mean moves to the noisy spectrum.
      std_min, std_max: of the noise at the times 0 and 1.
      time_min, time_max: the range that the network is trained on.
    """

    stiffness: int | float = 1.5
    std_min: int | float = 0.05
    std_max: int | float = 0.5
    time_min: int | float = 0.03
    time_max: int | float = 1.0

    estimates = "score"

    def __post_init__(self) -> None:
        if not 0 < self.std_min < self.std_max:
            raise ConfigError("model.process: needs 0 < std_min < std_max")
        if not 0 < self.time_min < self.time_max:
            raise ConfigError("model.process: needs 0 < time_min < time_max")

    @property
    def ratio(self) -> float:
        """The ratio r of the standard deviations."""
        return self.std_max / (self.std_min + EPS)

    @property
    def log_ratio(self) -> float:
        """The logarithm of r."""
        return float(np.log(self.ratio + EPS))

    def std(self, time: Any, xp: Any = jnp) -> Any:
        """Computes the standard deviation of x_t; with `xp=np` in float64."""
        scale = self.std_min**2 * self.log_ratio / (self.stiffness + self.log_ratio)
        return xp.sqrt(scale * (self.ratio ** (2 * time) - xp.exp(-2 * self.stiffness * time)))

    def diffusion(self, time: Any) -> Any:
        """Computes the factor of dw."""
        return self.std_min * self.ratio**time * np.sqrt(2 * self.log_ratio)

    def perturb(
        self,
        clean: Complex[Any, "B C N F"],
        noisy: Complex[Any, "B C N F"],
        time: Float[Any, " B"],
        noise: Complex[Any, "B C N F"],
    ) -> Complex[Array, "B C N F"]:
        """Computes x_t from standard complex normal noise."""
        time = jnp.asarray(time)[:, None, None, None]
        weight = jnp.exp(-self.stiffness * time)
        return weight * clean + (1 - weight) * noisy + self.std(time) * noise

    def example(self, clean: Spectra, noisy: Spectra, time: Float[Any, " B"], noise: Spectra) -> Example:
        """What the network learns from: the score times the standard deviation should be the noise, negated."""
        factor = self.std(jnp.asarray(time)[:, None, None, None])
        return Example(self.perturb(clean, noisy, time, noise), -noise, factor)


@dataclass(frozen=True)
class PredictorCorrector:
    """Reverse diffusion after steps of annealed Langevin dynamics at the same time (Song et al., 2021, Alg. 4).

    Attributes:
      num_steps: N times, from time_max to time_min.
      corrector_steps: at each time; 0 halves the cost.
      snr: the corrector's step size is 2 (snr std)^2.
      output: "mean", or "state" with the noise of the last step.
      time_min, time_max: None for the process's own.
    """

    num_steps: int = 50
    corrector_steps: int = 1
    snr: int | float = 0.5
    output: str = "mean"
    time_min: int | float | None = None
    time_max: int | float | None = None

    follows = OUVE

    def __post_init__(self) -> None:
        check_choice("output", self.output, OUTPUTS)

    def begin(self, process: OUVE, noisy: Spectra, draw: Draw) -> tuple[Any, Any]:
        """Draws the first state, and returns it with the anchor, the noisy spectrum."""
        process = between(process, self.time_min, self.time_max)
        return noisy + float(process.std(np.float64(process.time_max), np)) * draw(jnp.int32(0)), noisy

    def steps(self, process: OUVE) -> Steps:
        """Makes the table."""
        process = between(process, self.time_min, self.time_max)
        time = np.linspace(process.time_max, process.time_min, self.num_steps)
        size = 2 * (self.snr * process.std(time, np)) ** 2
        corrector = table(time, base=1.0, estimate=size, noise=np.sqrt(2 * size))
        # NeMo's step is time_max / N, a little more than the distance of two of its times.
        dt = process.time_max / self.num_steps
        pull, spread = process.stiffness * dt, process.diffusion(time) * np.sqrt(dt)
        predictor = table(time, base=1.0 + pull, anchor=-pull, estimate=spread**2, noise=spread)
        return interleaved(*[corrector] * self.corrector_steps, predictor)
