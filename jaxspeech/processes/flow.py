"""Conditional flow matching along straight paths (Lipman et al., 2023; NeMo's flow.py).

    x_t = t x_1 + s(t) z,  s(t) = (1 - t) s_0 + t s_1,  x_1 the clean spectrum, z standard normal
    v   = (s_1 x - s_0 (x - x_1)) / s(t): the velocity at the point x, or x_1 if s_0 = s_1

The network is shown the noisy spectrum beside x_t, and estimates the velocity or x_1.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxspeech.errors import ConfigError
from jaxspeech.processes.sampler import Draw, Example, Spectra, Steps, interleaved, table

EPS = 1e-6  # NeMo adds it to s(t)
ESTIMATES = ("velocity", "data")


@dataclass(frozen=True)
class Flow:
    """The process.

    Attributes:
      sigma_start, sigma_end: s_0 and s_1.
      estimates: what the network estimates: "velocity" or "data".
      time_min, time_max: the range that the network is trained on.
    """

    sigma_start: int | float = 1.0
    sigma_end: int | float = 1e-4
    estimates: str = "velocity"
    time_min: int | float = 1e-8
    time_max: int | float = 1.0

    def __post_init__(self) -> None:
        if self.estimates not in ESTIMATES:
            raise ConfigError(f"model.process.estimates cannot be {self.estimates!r} (can be 'velocity', 'data')")
        if not 0 <= self.time_min < self.time_max:
            raise ConfigError("model.process: needs 0 <= time_min < time_max")

    def std(self, time: Any) -> Any:
        """Computes s(t)."""
        return (self.time_max - time) * self.sigma_start + time * self.sigma_end

    def perturb(
        self,
        clean: Complex[Any, "B C N F"],
        time: Float[Any, " B"],
        noise: Complex[Any, "B C N F"],
        start: Any = 0.0,
    ) -> Complex[Array, "B C N F"]:
        """Computes x_t from standard complex normal noise, for paths that begin at `start`."""
        time = jnp.asarray(time)[:, None, None, None]
        return (self.time_max - time) * start + time * clean + self.std(time) * noise

    def velocity(
        self,
        point: Complex[Any, "B C N F"],
        clean: Complex[Any, "B C N F"],
        time: Float[Any, " B"],
        start: Any = 0.0,
    ) -> Complex[Array, "B C N F"]:
        """Computes the velocity at `point` of the path from `start` to `clean`."""
        if self.sigma_start == self.sigma_end:
            return clean - start
        time = jnp.asarray(time)[:, None, None, None]
        rise = self.sigma_end * (point - start) - self.sigma_start * (point - clean)
        return rise / ((1 - time) * self.sigma_start + time * self.sigma_end + EPS)

    def example(self, clean: Spectra, noisy: Spectra, time: Float[Any, " B"], noise: Spectra) -> Example:
        """What the network learns from; the noisy spectrum is only shown to it."""
        del noisy
        state = self.perturb(clean, time, noise)
        return Example(state, self.velocity(state, clean, time) if self.estimates == "velocity" else clean, 1.0)


@dataclass(frozen=True)
class Euler:
    """The solver of first order, which is NeMo's.

    Attributes:
      num_steps: N, and as many calls of the network.
      time_min, time_max: where it starts and ends.
    """

    num_steps: int = 20
    time_min: int | float = 1e-8
    time_max: int | float = 1.0

    follows, output = Flow, "mean"

    def grid(self) -> Float[np.ndarray, " M"]:
        """Returns the N + 1 times between which the steps are."""
        return np.linspace(self.time_min, self.time_max, self.num_steps + 1)

    def begin(self, process: Flow, noisy: Spectra, draw: Draw) -> tuple[Any, Any]:
        """Draws the first state, which is the anchor too."""
        del noisy
        start = process.sigma_start * draw(jnp.int32(0))
        return start, start

    def steps(self, process: Flow) -> Steps:
        """Makes the table."""
        grid = self.grid()
        time, dt = grid[:-1], np.diff(grid)
        if process.estimates == "velocity":
            return table(time, base=1.0, estimate=dt)
        if process.sigma_start == process.sigma_end:
            return table(time, base=1.0, anchor=-dt, estimate=dt)
        # NeMo takes the path to begin at the first state, not at 0 as in training; this differs by s_1 at most.
        scale = dt / ((1 - time) * process.sigma_start + time * process.sigma_end + EPS)
        rise = process.sigma_end - process.sigma_start
        return table(
            time, base=1 + scale * rise, anchor=-scale * process.sigma_end, estimate=scale * process.sigma_start
        )


class Heun(Euler):
    """The solver of second order by the mean of the estimates at both ends: two calls of the network a step."""

    def steps(self, process: Flow) -> Steps:
        """Makes the table."""
        grid = self.grid()
        trial = _moved(process, grid[:-1], grid[1:])
        half = trial["estimate"] / 2
        return interleaved(
            table(grid[:-1], **trial, commit=0.0), table(grid[1:], **trial | {"estimate": half}, previous=half)
        )


class Midpoint(Euler):
    """The solver of second order by the estimate in the middle of a step: two calls of the network a step."""

    def steps(self, process: Flow) -> Steps:
        """Makes the table."""
        grid = self.grid()
        middle = (grid[:-1] + grid[1:]) / 2
        return interleaved(
            table(grid[:-1], **_moved(process, grid[:-1], middle), commit=0.0),
            table(middle, **_moved(process, grid[:-1], grid[1:])),
        )


def _moved(process: Flow, now: Float[np.ndarray, " K"], then: Float[np.ndarray, " K"]) -> dict[str, Any]:
    """The weights with which a constant estimate leads from one time to the other.

    For an estimate e of the clean spectrum x_t - t e shrinks like s(t): no division by s(1), which is almost zero.
    """
    if process.estimates == "velocity":
        return {"base": np.ones_like(now), "estimate": then - now}
    shrink = process.std(then) / process.std(now)
    return {"base": shrink, "estimate": then - shrink * now}
