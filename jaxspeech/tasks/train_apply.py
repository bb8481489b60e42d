"""A model applied as training does: with random streams, and with running statistics that it updates."""

from typing import Any

import flax.linen as nn
import jax

from jaxspeech.types import Key, Variables

# The random streams that models draw from; their order is that in which keys are split.
STREAMS = ("dither", "specaugment", "dropout", "stochastic_depth")


def train_apply(
    model: nn.Module, variables: Variables, key: Key, *inputs: Any, method: str | None = None
) -> tuple[Any, Variables]:
    """Applies a method of the model (default: `__call__`) with `train=True`.

    Returns:
      What the method gives, and the new value of every collection but "params".
    """
    rngs: Any = dict(zip(STREAMS, jax.random.split(key, len(STREAMS)), strict=True))
    mutable = [name for name in variables if name != "params"]
    outputs, updates = model.apply(variables, *inputs, train=True, rngs=rngs, mutable=mutable, method=method)
    return outputs, dict(updates)
