"""The Schroedinger bridge from the noisy to the clean spectrum (Jukic et al., 2024; NeMo's schroedinger_bridge.py).

With alpha(t) and sigma(t) of a schedule, T its last time, abar = alpha / alpha(T) and sbar^2 = sigma(T)^2 - sigma^2:

    x_t = (alpha sbar^2 x + abar sigma^2 y + alpha sbar sigma sigma(T) z) / sigma(T)^2

The network is shown y beside x_t, and estimates x.
"""

import math
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

EPS = 1e-8  # NeMo adds it to the denominators, and to sbar^2


@dataclass(frozen=True)
class Bridge:
    """A bridge; its schedule is in the two classes below.

    Attributes:
      c: scale of the variance.
      time_min, time_max: the range that the network is trained on.
    """

    c: int | float = 1.0
    time_min: int | float = 0.0
    time_max: int | float = 1.0

    estimates = "data"

    def __post_init__(self) -> None:
        if not 0 <= self.time_min < self.time_max:
            raise ConfigError("model.process: needs 0 <= time_min < time_max")
        if self.c <= 0:
            raise ConfigError("model.process.c must be positive")

    def alpha(self, time: Any, xp: Any = jnp) -> Any:
        """Computes alpha; with `xp=np` in float64."""
        raise NotImplementedError

    def variance(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma^2."""
        raise NotImplementedError

    def remaining(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma(T)^2 - sigma^2, without cancellation at large times: it is never negative."""
        raise NotImplementedError

    def sigma(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma."""
        return xp.sqrt(self.variance(time, xp))

    def sigma_bar(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sbar."""
        return xp.sqrt(self.remaining(time, xp) + EPS)

    def alpha_bar(self, time: Any, xp: Any = jnp) -> Any:
        """Computes abar."""
        return self.alpha(time, xp) / (self.last_alpha + EPS)

    @property
    def last_variance(self) -> float:
        """sigma(T)^2."""
        return float(self.variance(np.float64(self.time_max), np))

    @property
    def last_alpha(self) -> float:
        """alpha(T)."""
        return float(self.alpha(np.float64(self.time_max), np))

    def perturb(
        self,
        clean: Complex[Any, "B C N F"],
        noisy: Complex[Any, "B C N F"],
        time: Float[Any, " B"],
        noise: Complex[Any, "B C N F"],
    ) -> Complex[Array, "B C N F"]:
        """Computes x_t from standard complex normal noise."""
        time = jnp.asarray(time)[:, None, None, None]
        alpha, sigma, bar, last = self.alpha(time), self.sigma(time), self.sigma_bar(time), self.last_variance
        mean = alpha * bar**2 / (last + EPS) * clean + self.alpha_bar(time) * sigma**2 / (last + EPS) * noisy
        return mean + alpha * bar * sigma / (math.sqrt(last) + EPS) * noise

    def example(self, clean: Spectra, noisy: Spectra, time: Float[Any, " B"], noise: Spectra) -> Example:
        """What the network learns from."""
        return Example(self.perturb(clean, noisy, time, noise), clean, 1.0)


@dataclass(frozen=True)
class BridgeVE(Bridge):
    """Exploding variance: alpha = 1, sigma^2 = c (k^{2t} - 1) / (2 ln k)."""

    c: int | float = 0.4
    k: int | float = 2.6
    time_min: int | float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k <= 1:
            raise ConfigError("model.process.k must be more than 1")

    def alpha(self, time: Any, xp: Any = jnp) -> Any:
        """Computes alpha, which is 1."""
        return xp.ones_like(time)

    def variance(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma^2, without cancellation at small times."""
        growth = 2 * math.log(self.k)
        return self.c * xp.expm1(growth * time) / (growth + EPS)

    def remaining(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma(T)^2 - sigma^2."""
        growth = 2 * math.log(self.k)
        return self.c * xp.exp(growth * time) * xp.expm1(growth * (self.time_max - time)) / (growth + EPS)


@dataclass(frozen=True)
class BridgeVP(Bridge):
    """Preserved variance: B = beta_0 t + (beta_1 - beta_0) t^2 / 2, alpha = e^{-B/2}, sigma^2 = c (e^B - 1)."""

    beta_0: int | float = 0.01
    beta_1: int | float = 20.0
    c: int | float = 0.3
    time_min: int | float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.beta_0 < self.beta_1:
            raise ConfigError("model.process: needs 0 <= beta_0 < beta_1")

    def alpha(self, time: Any, xp: Any = jnp) -> Any:
        """Computes alpha."""
        return xp.exp(-0.5 * self._exponent(time))

    def variance(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma^2, without cancellation at small times."""
        return self.c * xp.expm1(self._exponent(time))

    def remaining(self, time: Any, xp: Any = jnp) -> Any:
        """Computes sigma(T)^2 - sigma^2."""
        slope = self.beta_0 + (self.beta_1 - self.beta_0) / 2 * (self.time_max + time)
        return self.c * xp.exp(self._exponent(time)) * xp.expm1(slope * (self.time_max - time))

    def _exponent(self, time: Any) -> Any:
        return self.beta_0 * time + (self.beta_1 - self.beta_0) / 2 * time**2


@dataclass(frozen=True)
class BridgeSDE:
    """Steps of first order along the bridge's stochastic equation, which add noise.

    Attributes:
      num_steps: N, and as many calls of the network.
      network_time: "previous", the time of the state that the network is shown; or "current", to which the step leads.
      eps: added to the denominators. NeMo's 1e-8 is not small beside sbar(T) = 1e-4: the first step of an ordinary
        equation then has a wrong share of the noisy spectrum.
      output: "state", with the noise of the last step as in NeMo, or "mean".
      time_min, time_max: None for the process's own.
    """

    num_steps: int = 50
    network_time: str = "previous"
    eps: int | float = 0.0
    output: str = "state"
    time_min: int | float | None = None
    time_max: int | float | None = None

    follows = Bridge

    def __post_init__(self) -> None:
        check_choice("output", self.output, OUTPUTS)
        check_choice("network_time", self.network_time, ("previous", "current"))

    def range_of(self, process: Bridge) -> tuple[Bridge, Float[np.ndarray, " M"]]:
        """Returns the bridge between the sampler's own times, and its N + 1 times, the largest first."""
        process = between(process, self.time_min, self.time_max)
        return process, np.linspace(process.time_max, process.time_min, self.num_steps + 1)

    def begin(self, process: Bridge, noisy: Spectra, draw: Draw) -> tuple[Any, Any]:
        """Returns the first state and the anchor: both are the noisy spectrum."""
        del process, draw
        return noisy, noisy

    def shown(self, grid: Float[np.ndarray, " M"]) -> Float[np.ndarray, " N"]:
        """Returns the times that the network is given."""
        return grid[:-1] if self.network_time == "previous" else grid[1:]

    def steps(self, process: Bridge) -> Steps:
        """Makes the table."""
        process, grid = self.range_of(process)
        alpha, variance = process.alpha(grid, np), process.variance(grid, np)
        rest = 1 - variance[1:] / (variance[:-1] + self.eps)
        return table(
            self.shown(grid),
            base=alpha[1:] * variance[1:] / (alpha[:-1] * variance[:-1] + self.eps),
            estimate=alpha[1:] * rest,
            noise=alpha[1:] * np.sqrt(variance[1:] * rest),
        )


class BridgeODE(BridgeSDE):
    """Steps of first order along the ordinary equation with the same marginals, without noise."""

    def steps(self, process: Bridge) -> Steps:
        """Makes the table."""
        process, grid = self.range_of(process)
        return table(self.shown(grid), **_ode_weights(process, grid, self.eps))


class BridgeHeun(BridgeSDE):
    """Steps of second order along the same: the estimates at both ends of a step are averaged, two calls a step."""

    def steps(self, process: Bridge) -> Steps:
        """Makes the table."""
        process, grid = self.range_of(process)
        trial = _ode_weights(process, grid, self.eps)
        half = trial["estimate"] / 2
        second = table(grid[1:], **trial | {"estimate": half}, previous=half)
        return interleaved(table(grid[:-1], **trial, commit=0.0), second)


def _ode_weights(process: Bridge, grid: Float[np.ndarray, " M"], eps: float) -> dict[str, Any]:
    """The weights of the steps of first order.

    The first state is the anchor, and its weights are some +-5000 there, because sbar is almost zero: only their sum is
    used, so float32 loses nothing.
    """
    alpha, sigma, bar = process.alpha(grid, np), process.sigma(grid, np), process.sigma_bar(grid, np)
    last, last_alpha = process.last_variance, process.last_alpha
    base = alpha[1:] * sigma[1:] * bar[1:] / (alpha[:-1] * sigma[:-1] * bar[:-1] + eps)
    cross = sigma[1:] * bar[1:]
    estimate = alpha[1:] / (last + eps) * (bar[1:] ** 2 - bar[:-1] * cross / (sigma[:-1] + eps))
    anchor = alpha[1:] / (last_alpha * last + eps) * (sigma[1:] ** 2 - sigma[:-1] * cross / (bar[:-1] + eps))
    anchor[0], base[0] = anchor[0] + base[0], 0.0
    return {"base": base, "anchor": anchor, "estimate": estimate}
