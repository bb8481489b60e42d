"""Follows a process step by step with a network, as one scan.

Every sampler here is linear in what it knows, so a table of weights describes all of them. Row k of the table computes

    estimate = network(state, time[k])
    mean  = base[k] base + anchor[k] anchor + estimate[k] estimate + previous[k] (the estimate of row k - 1)
    state = mean + noise[k] z_k
    base  = state if commit[k] else base

A sampler of first order commits every row; one of second order tries a step, and then repeats it from the same base.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from jaxspeech.errors import ConfigError

# What a sampler ends with.
OUTPUTS = ("mean", "state")
Spectra = Complex[Any, "B C N F"]
# (state, time) -> what the network estimates, the same shape.
Network = Callable[[Any, Float[Any, ""]], Any]
# Number of the draw -> standard complex normal noise of the state's shape, whose variance is 1 in total.
Draw = Callable[[Int[Any, ""]], Any]


class Steps(NamedTuple):
    """The weights of each row [K] in float64, on the host: a difference of two large ones survives only there.

    Attributes:
      time: that the network is given.
      base, anchor, estimate, previous, noise: the weights.
      commit: whether the next row starts from this one's state.
    """

    time: Any
    base: Any
    anchor: Any
    estimate: Any
    previous: Any
    noise: Any
    commit: Any


def table(time: Float[np.ndarray, " K"], **weights: Any) -> Steps:
    """Makes the rows of a sampler; weights that are not given are 0, but for `commit`, which is 1."""
    filled = {name: np.zeros(len(time)) for name in Steps._fields} | {"commit": np.ones(len(time))}
    filled |= {name: np.broadcast_to(np.asarray(value, np.float64), time.shape) for name, value in weights.items()}
    return Steps(**filled | {"time": np.asarray(time, np.float64)})


def interleaved(*tables: Steps) -> Steps:
    """Takes the first row of each table in turn, then the second of each, and so on."""
    return Steps(*(np.stack(columns, axis=1).reshape(-1) for columns in zip(*tables, strict=True)))


@runtime_checkable
class Sampler(Protocol):
    """How a process is followed: the first state with the anchor, and the table.

    Its attribute `follows` is the class of the processes that it is for, and `output` says what it ends with: the
    "state", or the "mean", without the noise that was added last.
    """

    def begin(self, process: Any, noisy: Spectra, draw: Draw) -> tuple[Any, Any]: ...

    def steps(self, process: Any) -> Steps: ...


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Checks a field of a sampler.

    Raises:
      ConfigError: it is not one of the choices.
    """
    if value not in choices:
        raise ConfigError(f"model.sampler.{name} cannot be {value!r} (can be {', '.join(map(repr, choices))})")


def between(process: Any, time_min: float | None, time_max: float | None) -> Any:
    """Returns the process between the sampler's own times; None stands for those of the process."""
    first = process.time_max if time_max is None else time_max
    last = process.time_min if time_min is None else time_min
    return replace(process, time_min=last, time_max=first)


class Example(NamedTuple):
    """What a network learns from: factor * estimate should be the target.

    Attributes:
      state: that it is shown.
      target: [B C N F].
      factor: of the estimate, broadcast against it.
    """

    state: Spectra
    target: Spectra
    factor: Any


class Position(NamedTuple):
    """Where a sampler is.

    Attributes:
      base: state that the step begins with.
      state: that the network is shown.
      previous: the network's last estimate.
      mean: the state without the noise that was added last.
    """

    base: Spectra
    state: Spectra
    previous: Spectra
    mean: Spectra


def step(position: Position, estimate: Any, row: Steps, anchor: Any, noise: Any) -> Position:
    """Advances by one row of the table.

    Args:
      position: before it.
      estimate: of the network for `position.state` at `row.time`.
      row: one row of the table, as scalars.
      anchor: what stays the same over all steps, the noisy spectrum or the first state.
      noise: the draw, or 0.
    """
    mean = row.base * position.base + row.anchor * anchor + row.estimate * estimate + row.previous * position.previous
    state = mean + row.noise * noise
    return Position(jnp.where(row.commit > 0, state, position.base), state, estimate, mean)


def sample(sampler: Sampler, process: Any, network: Network, noisy: Any, draw: Draw) -> Position:
    """Follows a process from the noisy spectrum to the clean one.

    What is zero in the noisy spectrum, estimates and draws stays zero: masked arguments give a masked result.

    Args:
      sampler: of the kind that belongs to the process.
      network: is traced once, whatever the number of steps.
      noisy: [B C N F].
      draw: is called with 0 for the first state, and with k + 1 for row k, where the table uses noise.

    Returns:
      The last position: `state` and `mean`.
    """
    steps = sampler.steps(process)
    start, anchor = sampler.begin(process, jnp.asarray(noisy), draw)
    rows = Steps(*(jnp.asarray(column, jnp.float32) for column in steps))
    noised = bool(np.any(steps.noise))  # not by the solver of an ordinary equation

    def body(position: Position, at: tuple[Int[Array, ""], Steps]) -> tuple[Position, None]:
        number, row = at
        estimate = network(position.state, row.time)
        return step(position, estimate, row, anchor, draw(number + 1) if noised else 0.0), None

    begin = Position(start, start, jnp.zeros_like(start), start)
    return jax.lax.scan(body, begin, (jnp.arange(len(steps.time)), rows))[0]
