"""Builds the optimizer of a configuration: noise, clipping, update rule, and a learning rate per parameter group."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import optax

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.training.gradients import add_noise
from jaxspeech.training.parameters import Choice, assign
from jaxspeech.training.schedules import Schedule, build_schedule
from jaxspeech.training.update_rules import adafactor, adamw, lion, muon, novograd, sgd

OPTIMIZERS = {"adamw": adamw, "novograd": novograd, "lion": lion, "adafactor": adafactor, "muon": muon, "sgd": sgd}


def scale_by_group(rates: Sequence[tuple[str, float]], trainable: Choice | None) -> optax.GradientTransformation:
    """Multiplies each update by the factor of the first pattern that matches the parameter's name; frozen ones by 0."""

    def factors(params: Any) -> Any:
        factors = assign(params, rates, default=1.0, option="optimizer.rates")
        return factors if trainable is None else jax.tree.map(lambda f, t: f * t, factors, trainable(params))

    def init(params: Any) -> Any:
        factors(params)  # raises for a wrong pattern before the first step
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        return jax.tree.map(lambda u, f: u if np.all(f == 1) else u * f, updates, factors(updates)), state

    return optax.GradientTransformation(init, update)


def in_groups(
    optimizer: optax.GradientTransformation, *, rates: Sequence[tuple[str, float]] = (), trainable: Choice | None
) -> optax.GradientTransformation:
    """Gives an optimizer a learning rate for each group of parameters, and no state for frozen ones."""
    if trainable is not None:

        def groups(params: Any) -> Any:
            return jax.tree.map(lambda mask: "trained" if np.any(mask) else "frozen", trainable(params))

        optimizer = optax.partition({"trained": optimizer, "frozen": optax.set_to_zero()}, groups)
    return optax.chain(optimizer, scale_by_group(rates, trainable)) if rates or trainable else optimizer


def build_optimizer(
    config: Mapping[str, Any], *, steps: int, trainable: Choice | None = None
) -> tuple[optax.GradientTransformation, Schedule]:
    """Builds the optimizer that `config.optimizer` names; also returns its schedule, for the logs.

    Args:
      config: {"name", "learning_rate", "schedule": {"name", ...}, "rates", "gradient_noise": {"std", ...}, and the
        options of the rule}. `rates` holds (pattern, factor): a parameter's learning rate is multiplied by the factor
        of the first pattern that is found in its name.
      steps: updates in the whole run.
      trainable: which parameters are trained; None means all.

    Raises:
      ConfigError: a name or option is unknown.
    """
    config = dict(config)
    name = config.pop("name", "adamw")
    if name not in OPTIMIZERS:
        raise ConfigError(f'optimizer.name "{name}" is unknown{did_you_mean(name, OPTIMIZERS)}')
    known = [*inspect.signature(OPTIMIZERS[name]).parameters, "schedule", "rates", "gradient_noise"]
    for key in config:
        if key not in known:
            raise ConfigError(f'optimizer has no "{key}"{did_you_mean(key, known)}')
    if "learning_rate" not in config:
        raise ConfigError("optimizer needs a learning_rate")
    if not (math.isfinite(config["learning_rate"]) and config["learning_rate"] >= 0):
        raise ConfigError(f"optimizer.learning_rate is {config['learning_rate']}; it must be a number, 0 or more")
    schedule = build_schedule(
        config.pop("schedule", {"name": "constant"}), learning_rate=config.pop("learning_rate"), steps=steps
    )
    rates = config.pop("rates", ())
    if not all(_is_rate(rule) for rule in rates):
        raise ConfigError(f'optimizer.rates is {rates}; it holds pairs such as ("encoder/", 0.1)')
    noise = config.pop("gradient_noise", {})
    unknown = [key for key in noise if key not in inspect.signature(add_noise).parameters]
    if unknown or (noise and "std" not in noise):
        raise ConfigError(f"optimizer.gradient_noise is {dict(noise)}; it has std, decay, start_step, parameters, seed")
    pairs = [(pattern, float(factor)) for pattern, factor in rates]  # lists, as read from JSON
    optimizer = in_groups(OPTIMIZERS[name](schedule, **config), rates=pairs, trainable=trainable)
    return optax.chain(add_noise(**noise), optimizer) if noise.get("std") else optimizer, schedule


def _is_rate(rule: Any) -> bool:
    return isinstance(rule, tuple | list) and len(rule) == 2 and isinstance(rule[1], int | float)
