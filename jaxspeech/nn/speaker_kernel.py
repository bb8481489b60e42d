"""Speaker kernels make an encoder follow one of several speakers (NeMo's multitalker models).

x += FF(x * target);  x += FF_background(x * background);  FF(x) = W_down dropout(relu(W_up x))

The masks (see `speaker_masks`) say in each frame how active the speaker of a row is, and whether others are.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.feedforward import FeedForward


class SpeakerKernel(nn.Module):
    """The equation above; both feed-forward networks are as wide inside as outside.

    Attributes:
      background: whether there is a network for the others.
      dropout: of the hidden activations.
      dtype: of the matrix products.
    """

    background: bool = True
    dropout: float = 0.5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B T D"],
        target: Float[Array, "B T 1"],
        background: Float[Array, "B T 1"],
        *,
        train: bool = False,
    ) -> Float[Array, "B T D"]:
        """Adds what the two networks see of the speaker and of the others."""

        def add(name: str, x: Float[Array, "B T D"], mask: Float[Array, "B T 1"]) -> Float[Array, "B T D"]:
            network = FeedForward(1, True, self.dropout, self.dtype, jax.nn.relu, name=name)
            return x + network(x * mask.astype(x.dtype), train=train).astype(x.dtype)

        x = add("target", x, target)
        return add("background", x, background) if self.background else x
