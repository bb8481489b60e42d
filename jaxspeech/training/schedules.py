"""Learning-rate schedules: step -> rate, with the usual shapes and exactly NeMo's numbers.

`step` counts the updates made so far, so the first update uses `schedule(0)`. Warm-up is a straight line that
does not start at zero:

    rate(step) = learning_rate (step + 1) / (warmup_steps + 1)      for step <= warmup_steps

and a schedule that ends at `steps` stays at `min_learning_rate` afterwards. Rates are float32.

NeMo's names, with those used here in brackets: NoamAnnealing (noam), NoamHoldAnnealing (noam_hold), CosineAnnealing
(cosine), InverseSquareRootAnnealing (inverse_sqrt), SquareRootAnnealing (sqrt), PolynomialDecayAnnealing and
PolynomialHoldDecayAnnealing (polynomial), WarmupHoldAnnealLinear and WarmupHoldAnnealOneMinusSquareRoot (wsd),
WarmupAnnealing (linear), WarmupPolicy (constant).
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError, did_you_mean

Step = int | Int[Any, ""]
Schedule = Callable[[Step], Float[Array, ""]]


def _warmed_up(step: Int[Array, ""], rate: Float[Array, ""], *, learning_rate: float, warmup_steps: int) -> Array:
    """Replaces the beginning of `rate` by the warm-up."""
    if warmup_steps == 0:
        return jnp.float32(rate)
    warmup = learning_rate * (step + 1) / (warmup_steps + 1)
    return jnp.where(step <= warmup_steps, warmup, rate)


def constant(*, learning_rate: float, steps: int, warmup_steps: int = 0, min_learning_rate: float = 0.0) -> Schedule:
    """Warm-up, then `learning_rate` until `steps`."""

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        rate = jnp.where(step > steps, min_learning_rate, learning_rate)
        return _warmed_up(step, rate, learning_rate=learning_rate, warmup_steps=warmup_steps)

    return schedule


def linear(*, learning_rate: float, steps: int, warmup_steps: int = 0, min_learning_rate: float = 0.0) -> Schedule:
    """Warm-up, then a straight line down to `min_learning_rate` at `steps`."""
    return polynomial(
        learning_rate=learning_rate,
        steps=steps,
        warmup_steps=warmup_steps,
        min_learning_rate=min_learning_rate,
        power=1.0,
    )


def noam(
    *, learning_rate: float, steps: int, width: int, warmup_steps: int = 0, min_learning_rate: float = 0.0
) -> Schedule:
    """rate = learning_rate width^-1/2 min(step^-1/2, step warmup_steps^-3/2), step at least 1.

    `learning_rate` is a factor (often 1 to 5), not the peak; steps 0 and 1 have the same rate; it never ends.
    Vaswani et al., 2017.
    """
    del steps

    def schedule(step: Step) -> Float[Array, ""]:
        t = jnp.maximum(step, 1).astype(jnp.float32)
        shape = t**-0.5 if warmup_steps == 0 else jnp.minimum(t**-0.5, t * warmup_steps**-1.5)
        rate = learning_rate * width**-0.5 * shape
        return jnp.where(t > warmup_steps, jnp.maximum(rate, min_learning_rate), rate)

    return schedule


def noam_hold(
    *,
    learning_rate: float,
    steps: int,
    warmup_steps: int,
    hold_steps: int = 0,
    decay_rate: float = 0.5,
    min_learning_rate: float = 0.0,
) -> Schedule:
    """Warm-up, the peak for `hold_steps`, then learning_rate (warmup_steps / (step - hold_steps))^decay_rate.

    Kim et al., Squeezeformer, 2022, use decay_rate = 1; 0.5 is Noam's.
    """

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        since = jnp.maximum(step - hold_steps, 1).astype(jnp.float32)
        rate = learning_rate * max(1.0, warmup_steps**decay_rate) / jnp.maximum(1.0, since**decay_rate)
        rate = jnp.where(step > steps, min_learning_rate, jnp.maximum(rate, min_learning_rate))
        rate = jnp.where(step < warmup_steps + hold_steps, learning_rate, rate)
        return _warmed_up(step, rate, learning_rate=learning_rate, warmup_steps=warmup_steps)

    return schedule


def cosine(
    *, learning_rate: float, steps: int, warmup_steps: int = 0, constant_steps: int = 0, min_learning_rate: float = 0.0
) -> Schedule:
    """Warm-up, then half a cosine down to `min_learning_rate`, held for the last `constant_steps` of `steps`.

    With `constant_steps` the warm-up is learning_rate step / warmup_steps, from zero, as in Megatron and NeMo.
    """
    decay_steps = steps - warmup_steps - constant_steps

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        share = jnp.clip((step - warmup_steps) / decay_steps, 0.0, 1.0)
        # cos^2(x / 2) = (1 + cos x) / 2 without the cancellation near the end.
        rate = min_learning_rate + (learning_rate - min_learning_rate) * jnp.cos(jnp.pi / 2 * share) ** 2
        if constant_steps and warmup_steps:
            return jnp.where(step <= warmup_steps, learning_rate * step / warmup_steps, rate)
        return _warmed_up(step, rate, learning_rate=learning_rate, warmup_steps=warmup_steps)

    return schedule


def inverse_sqrt(
    *, learning_rate: float, steps: int, warmup_steps: int = 0, min_learning_rate: float = 0.0
) -> Schedule:
    """Warm-up, then learning_rate ((warmup_steps + 1) / (step + 1))^1/2 until `steps`."""

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        rate = learning_rate * jnp.sqrt((warmup_steps + 1) / (step + 1))
        rate = jnp.where(step > steps, min_learning_rate, rate)
        return _warmed_up(step, rate, learning_rate=learning_rate, warmup_steps=warmup_steps)

    return schedule


def sqrt(*, learning_rate: float, steps: int, warmup_steps: int = 0, min_learning_rate: float = 0.0) -> Schedule:
    """Warm-up, then learning_rate (1 - step / steps)^1/2, with a jump between the two, as in NeMo."""

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        rate = learning_rate * jnp.sqrt(jnp.maximum(steps - step, 0) / steps)
        return _warmed_up(
            step, jnp.maximum(rate, min_learning_rate), learning_rate=learning_rate, warmup_steps=warmup_steps
        )

    return schedule


def polynomial(
    *,
    learning_rate: float,
    steps: int,
    warmup_steps: int = 0,
    hold_steps: int = 0,
    power: float = 1.0,
    min_learning_rate: float = 0.0,
) -> Schedule:
    """Warm-up, the peak for `hold_steps`, then min + (learning_rate - min) left^power, left from 1 to 0 at `steps`."""
    start = warmup_steps + hold_steps

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        left = jnp.clip((steps - step) / (steps - start), 0.0, 1.0)
        rate = min_learning_rate + (learning_rate - min_learning_rate) * left**power
        return _warmed_up(step, rate, learning_rate=learning_rate, warmup_steps=warmup_steps)

    return schedule


def wsd(
    *,
    learning_rate: float,
    steps: int,
    warmup_steps: int = 0,
    hold_steps: int = 0,
    decay: str = "linear",
    min_learning_rate: float = 0.0,
) -> Schedule:
    """Warm-up, stable for `hold_steps`, decay until `steps`.

    decay "linear": a straight line to `min_learning_rate` (Hu et al., MiniCPM, 2024);
    "one_minus_sqrt": learning_rate (1 - share^1/2), at least `min_learning_rate` (Hägele et al., 2024).
    """
    if decay not in ("linear", "one_minus_sqrt"):
        raise ConfigError(f'schedule.decay is "{decay}"; it can be "linear" or "one_minus_sqrt"')
    start = warmup_steps + hold_steps

    def schedule(step: Step) -> Float[Array, ""]:
        step = jnp.asarray(step, jnp.int32)
        share = jnp.clip((step - start) / (steps - start), 0.0, 1.0)
        if decay == "linear":
            rate = learning_rate - (learning_rate - min_learning_rate) * share
        else:
            rate = jnp.maximum(learning_rate * (1 - jnp.sqrt(share)), min_learning_rate)
        return _warmed_up(step, rate, learning_rate=learning_rate, warmup_steps=warmup_steps)

    return schedule


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": constant,
    "linear": linear,
    "noam": noam,
    "noam_hold": noam_hold,
    "cosine": cosine,
    "inverse_sqrt": inverse_sqrt,
    "sqrt": sqrt,
    "polynomial": polynomial,
    "wsd": wsd,
}


def build_schedule(config: Mapping[str, Any], *, learning_rate: float, steps: int) -> Schedule:
    """Builds the schedule that `config` names, over `steps` updates.

    Args:
      config: {"name": a key of SCHEDULES, and that function's options}. A number of steps may also be given as a
        share of all steps: `warmup_ratio` for `warmup_steps`, `hold_ratio`, `constant_ratio`.
      learning_rate: the peak (for "noam" the factor).
      steps: updates in the whole run.

    Raises:
      ConfigError: a name or option is unknown, or the other phases leave no step to decay in.
    """
    options = {key: value for key, value in config.items() if key != "name"}
    name = config.get("name")
    if name not in SCHEDULES:
        raise ConfigError(f'optimizer.schedule.name "{name}" is unknown{did_you_mean(str(name), SCHEDULES)}')

    known = set(inspect.signature(SCHEDULES[name]).parameters) - {"learning_rate", "steps"}
    for key in [key for key in options if key.endswith("_ratio")]:
        counted = key.removesuffix("_ratio") + "_steps"
        if counted in options:
            raise ConfigError(f"optimizer.schedule has both {key} and {counted}: keep one of them")
        if counted in known:
            options[counted] = int(options.pop(key) * steps)
    for key in options:
        if key not in known:
            raise ConfigError(f'optimizer.schedule has no "{key}" for "{name}"{did_you_mean(key, known)}')
    missing = [
        key
        for key, field in inspect.signature(SCHEDULES[name]).parameters.items()
        if field.default is inspect.Parameter.empty and key in known and key not in options
    ]
    if missing:
        raise ConfigError(f'optimizer.schedule "{name}" needs {" and ".join(missing)}')

    phases = {key: options[key] for key in ("warmup_steps", "hold_steps", "constant_steps") if key in options}
    if name not in ("noam", "inverse_sqrt", "constant") and sum(phases.values()) >= steps:
        spent = " + ".join(f"{key} {value}" for key, value in phases.items())
        raise ConfigError(f"optimizer.schedule leaves no step to decay in: {spent} of {steps} steps")
    return SCHEDULES[name](learning_rate=learning_rate, steps=steps, **options)
