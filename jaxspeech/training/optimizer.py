"""AdamW and NovoGrad with global-norm clipping, put together from Optax and equal to torch's and NeMo's step by step.

g <- g min(1, clip_norm / (|g| + 1e-6))                                  |g| over all parameters

AdamW (Loshchilov and Hutter, 2019):
m <- beta1 m + (1 - beta1) g;    v <- beta2 v + (1 - beta2) g^2
p <- p - rate (m / (1 - beta1^t)) / ((v / (1 - beta2^t))^1/2 + eps) - rate weight_decay p

NovoGrad (Ginsburg et al., 2019), |g| over each array:
v <- beta2 v + (1 - beta2) |g|^2, at first |g|^2;    m <- beta1 m + g / (v^1/2 + eps) + weight_decay p
p <- p - rate m
"""

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.training.parameters import Choice, assign, path_name
from jaxspeech.training.schedules import Schedule, build_schedule

# What `decay_exclude` usually holds: biases and the scales of normalisation layers, as paths of the parameter tree.
BIASES_AND_NORMS = r"(^|/)(bias|scale|bias_[uv])$"


def clip_by_global_norm(max_norm: float) -> optax.GradientTransformation:
    """Scales all gradients by min(1, max_norm / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_ does."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        factor = jnp.minimum(1.0, max_norm / (optax.tree.norm(updates) + 1e-6))
        return jax.tree.map(lambda g: g * factor, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def adamw(
    learning_rate: Schedule | float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.98,
    eps: float = 1e-8,
    weight_decay: float = 1e-3,
    decay_exclude: str = "",
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """The transformation above.

    Args:
      learning_rate: a rate, or updates made so far -> rate.
      beta1: memory of the mean gradient.
      beta2: memory of the mean squared gradient.
      eps: added outside the square root.
      weight_decay: share of each parameter that an update takes off, times the rate.
      decay_exclude: regular expression; parameters whose path it matches somewhere do not decay ("": all
        decay, as in the peer; see BIASES_AND_NORMS).
      clip_norm: largest global norm of the gradients (0: no clipping).
    """
    exclude = re.compile(decay_exclude) if decay_exclude else None

    def decays(params: Any) -> Any:
        return jax.tree_util.tree_map_with_path(
            lambda path, _: exclude is None or not exclude.search(path_name(path)), params
        )

    return optax.chain(
        clip_by_global_norm(clip_norm) if clip_norm else optax.identity(),
        optax.scale_by_adam(b1=beta1, b2=beta2, eps=eps),
        optax.add_decayed_weights(weight_decay, mask=decays),
        optax.scale_by_learning_rate(learning_rate),
    )


def novograd(
    learning_rate: Schedule | float,
    *,
    beta1: float = 0.95,
    beta2: float = 0.98,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    clip_norm: float = 0.0,
) -> optax.GradientTransformation:
    """The transformation above, which the convolutional encoders were trained with; arguments as of `adamw`.

    Layers that are stacked in one array share one |g|.
    """
    return optax.chain(
        clip_by_global_norm(clip_norm) if clip_norm else optax.identity(),
        optax.scale_by_novograd(b1=beta1, b2=beta2, eps=eps, weight_decay=weight_decay),
        optax.scale_by_learning_rate(learning_rate),
    )


def scale_by_group(rates: Sequence[tuple[str, float]], trainable: Choice | None) -> optax.GradientTransformation:
    """Multiplies each parameter's update by the number of the first pattern that matches its name; frozen: by 0."""

    def factors(params: Any) -> Any:
        factors = assign(params, rates, default=1.0, option="optimizer.rates")
        return factors if trainable is None else jax.tree.map(lambda f, t: f * t, factors, trainable(params))

    def init(params: Any) -> Any:
        factors(params)  # a wrong pattern is told before the first step
        return optax.EmptyState()

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        del params
        return jax.tree.map(lambda u, f: u if np.all(f == 1) else u * f, updates, factors(updates)), state

    return optax.GradientTransformation(init, update)


def in_groups(
    optimizer: optax.GradientTransformation, *, rates: Sequence[tuple[str, float]] = (), trainable: Choice | None
) -> optax.GradientTransformation:
    """The optimizer with a rate of its own for each group of parameters, and no state for those that are frozen."""
    if trainable is not None:

        def labels(params: Any) -> Any:
            return jax.tree.map(lambda mask: "trained" if np.any(mask) else "frozen", trainable(params))

        optimizer = optax.partition({"trained": optimizer, "frozen": optax.set_to_zero()}, labels)
    return optax.chain(optimizer, scale_by_group(rates, trainable)) if rates or trainable else optimizer


OPTIMIZERS = {"adamw": adamw, "novograd": novograd}


def build_optimizer(
    config: Mapping[str, Any], *, steps: int, trainable: Choice | None = None
) -> tuple[optax.GradientTransformation, Schedule]:
    """The optimizer that `config.optimizer` names, and its schedule (for the logs).

    Args:
      config: {"name", "learning_rate", "schedule": {"name", ...}, "rates", and the optimizer's options}. `rates` holds
        (pattern, factor): the first pattern that is found in a parameter's name says by what its rate is multiplied.
      steps: updates in the whole run.
      trainable: which parameters are trained; None is all.

    Raises:
      ConfigError: an unknown name or option.
    """
    config = dict(config)
    name = config.pop("name", "adamw")
    if name not in OPTIMIZERS:
        raise ConfigError(f'optimizer.name "{name}" is unknown{did_you_mean(name, OPTIMIZERS)}')
    known = [*inspect.signature(OPTIMIZERS[name]).parameters, "schedule", "rates"]
    for key in config:
        if key not in known:
            raise ConfigError(f'optimizer has no "{key}"{did_you_mean(key, known)}')
    if "learning_rate" not in config:
        raise ConfigError("optimizer needs a learning_rate")
    schedule = build_schedule(
        config.pop("schedule", {"name": "constant"}), learning_rate=config.pop("learning_rate"), steps=steps
    )
    rates = config.pop("rates", ())
    if not all(_is_rate(rule) for rule in rates):
        raise ConfigError(f'optimizer.rates is {rates}; it holds pairs such as ("encoder/", 0.1)')
    return in_groups(OPTIMIZERS[name](schedule, **config), rates=rates, trainable=trainable), schedule


def _is_rate(rule: Any) -> bool:
    return isinstance(rule, tuple | list) and len(rule) == 2 and isinstance(rule[1], int | float)
