"""Applies a model in training mode, with random streams and with updates of its running statistics."""

from typing import Any

import flax.linen as nn
import jax

from jaxspeech.types import Key, Variables

# The random streams that models draw from, in the order in which the key is split.
STREAMS = ("dither", "specaugment", "dropout", "stochastic_depth")


def train_apply(
    model: nn.Module, variables: Variables, key: Key, *inputs: Any, method: Any = None, **named: Any
) -> tuple[Any, Variables]:
    """Applies a method of the model, or a function of the model (default: `__call__`), with `train=True`.

    Returns:
      The method's result, and the new value of every collection except "params".
    """
    rngs: Any = dict(zip(STREAMS, jax.random.split(key, len(STREAMS)), strict=True))
    mutable = [name for name in variables if name != "params"]
    outputs, updates = model.apply(variables, *inputs, train=True, rngs=rngs, mutable=mutable, method=method, **named)
    return outputs, dict(updates)
