"""Selects parameters by regular expressions on names like "encoder/layers_3/attention/query/kernel".

Layers that are stacked in one array (params/encoder/layers/...) are named and selected individually.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.errors import ConfigError

# params -> a tree of True, False or, for stacked layers of which only some are trained, an array [L 1 ...].
Choice = Callable[[Any], Any]


def path_name(path: Any) -> str:
    """Formats a leaf's path in its tree, as in "encoder/layers/conv/bias"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def layer_names(name: str, leaf: Any) -> list[str]:
    """The names of the parameters in a leaf: its own, or one for each layer if layers are stacked."""
    before, stack, after = f"/{name}".partition("/layers/")
    return [f"{before}/layers_{i}/{after}"[1:] for i in range(leaf.shape[0])] if stack else [name]


def assign(tree: Any, rules: Sequence[tuple[str, Any]], *, default: Any, option: str) -> Any:
    """Assigns every leaf the value of the first rule whose pattern is found in its name, or else the default.

    Args:
      tree: of arrays or their shapes.
      rules: (regular expression, value).
      default: the value if no rule matches.
      option: the name of the setting that holds the rules, for messages.

    Returns:
      The tree with a value for each leaf, or an array [L 1 ...] where its layers have different values.

    Raises:
      ConfigError: a pattern is not a regular expression, or is found in no name.
    """
    patterns = [(compile_pattern(pattern, option=option), value) for pattern, value in rules]
    idle = {pattern.pattern for pattern, _ in patterns}

    def value_of(name: str) -> Any:
        found = [(pattern, value) for pattern, value in patterns if pattern.search(name)]
        idle.difference_update(pattern.pattern for pattern, _ in found)
        return found[0][1] if found else default

    def leaf_value(path: Any, leaf: Any) -> Any:
        values = [value_of(name) for name in layer_names(path_name(path), leaf)]
        if all(value == values[0] for value in values):
            return values[0]
        return np.array(values).reshape(-1, *(1 for _ in leaf.shape[1:]))

    assigned = jax.tree_util.tree_map_with_path(leaf_value, tree)
    if idle:
        example = path_name(jax.tree_util.tree_leaves_with_path(tree)[0][0])
        raise ConfigError(f"{option}: no parameter's name matches {sorted(idle)[0]!r} (they look like {example})")
    return assigned


def compile_pattern(pattern: str, *, option: str) -> re.Pattern[str]:
    """Compiles a regular expression; raises ConfigError if it is invalid."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{option}: {pattern!r} is not a regular expression ({error})") from error


def choose_trainable(*, freeze: Sequence[str] = (), train_only: Sequence[str] = (), trains: str = "") -> Choice | None:
    """Chooses the parameters to train, those that every option admits; returns None if all are trained.

    Args:
      freeze: patterns of parameters that are not trained.
      train_only: patterns of the only parameters that are trained; if empty, all are.
      trains: pattern of the parameters that a phase of the task trains (see `types.Phase`); "" means all.
    """
    admitted = [("train_only", [(pattern, True) for pattern in train_only], not train_only)]
    admitted += [("freeze", [(pattern, False) for pattern in freeze], True)]
    admitted += [("Phase.trains", [(trains, True)] if trains else [], not trains)]
    if not any(rules for _, rules, _ in admitted):
        return None

    def trainable(params: Any) -> Any:
        choices = [assign(params, rules, default=default, option=option) for option, rules, default in admitted]
        masks = jax.tree.map(lambda *masks: functools.reduce(_both, masks), *choices)
        if not any(np.any(mask) for mask in jax.tree.leaves(masks)):
            raise ConfigError("freeze and train_only leave no parameter to train")
        return masks

    return trainable


def _both(a: Any, b: Any) -> Any:
    """Logical and of two masks, each for a whole parameter or (an array) for each of its layers."""
    return np.logical_and(a, b) if np.ndim(a) or np.ndim(b) else a and b


def stop_gradients(params: Any, trainable: Choice | None) -> Any:
    """Returns the same parameters, without a gradient for those that are not trained."""
    if trainable is None:
        return params

    def held(param: Any, mask: Any) -> Any:
        if np.all(mask):
            return param
        still = jax.lax.stop_gradient(param)
        return jnp.where(mask, param, still) if np.any(mask) else still

    return jax.tree.map(held, params, trainable(params))
