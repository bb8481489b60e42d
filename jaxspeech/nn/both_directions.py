"""Runs recurrent layers over each row in both directions: from its first frame and, backwards, from its last real one.

y = [forward(x), reverse(backward(reverse(x)))]

On a CPU the directions take turns, each with all cores. On an accelerator a step of a loop is a few small kernels that
take longer to start than to compute: there both directions take each step together, with half as many kernels.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.nn.reverse import reverse

Pure = Callable[[Any, Float[Array, "B N D_in"]], Float[Array, "B N D"]]


@runtime_checkable
class Recurrent(Protocol):
    """A recurrent layer."""

    @property
    def variables(self) -> Any:
        """What it was made with."""
        ...

    def from_zeros(self, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Returns the outputs for inputs that begin in a state of zeros."""
        ...

    def pure(self, parameters: Any, x: Float[Array, "B N D_in"]) -> Float[Array, "B N D"]:
        """Returns what `from_zeros` does, as a function of the layer's parameters alone."""
        ...


def both_directions(
    x: Float[Array, "B N D_in"], num_frames: Int[Array, " B"], forward: Recurrent, backward: Recurrent
) -> Float[Array, "B N W"]:
    """Returns the outputs of two layers of width D side by side, W = 2 D (Schuster and Paliwal, 1997).

    Args:
      x: inputs.
      num_frames: real frames of each row.
      forward: the layer that runs from the first frame on.
      backward: the one that runs from the last real frame back; of the same kind and size.
    """
    for layer in (forward, backward):
        layer.from_zeros(x[:, :1])  # makes its parameters; the outputs are not used
    parameters = [layer.variables["params"] for layer in (forward, backward)]
    ahead, back = jax.lax.platform_dependent(
        parameters,
        [x, reverse(x, num_frames)],
        cpu=partial(in_turn, forward.pure),
        default=partial(together, forward.pure),
    )
    return jnp.concatenate([ahead, reverse(back, num_frames)], -1)


def in_turn(layer: Pure, parameters: Sequence[Any], inputs: Sequence[Array]) -> list[Float[Array, "B N D"]]:
    """Returns the outputs of a layer for each parameters and inputs, one loop after the other."""
    return [layer(*each) for each in zip(parameters, inputs, strict=True)]


def together(layer: Pure, parameters: Sequence[Any], inputs: Sequence[Array]) -> list[Float[Array, "B N D"]]:
    """Returns what `in_turn` does, from one loop."""
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *parameters)
    return list(jax.vmap(layer)(stacked, jnp.stack(inputs)))
