"""Keeps the weights with which chosen layers of a decoder attend to the encoder's frames, while the decoder runs."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

# (number of a layer, its weights of the encoder's frames)
Watch = Callable[[int, Float[Array, "B L H N T"]], None]


class Watched:
    """A `Watch` that keeps the weights of some layers.

    Args:
      layers: their numbers; negative ones count from the last.
      num_layers: of the decoder.
    """

    def __init__(self, layers: Sequence[int], num_layers: int):
        self._layers = [range(num_layers)[layer] for layer in layers]
        self._weights: dict[int, Array] = {}

    def __call__(self, layer: int, weights: Float[Array, "B L H N T"]) -> None:
        if layer in self._layers:
            self._weights[layer] = weights

    def heads(self) -> Float[Array, "B L A N T"]:
        """Returns the weights of the heads of all these layers, in their order: A = layers x H."""
        return jnp.concatenate([self._weights[layer] for layer in self._layers], axis=2)
