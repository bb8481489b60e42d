"""An LSTM layer in both directions, of rows of any length: one loop computes a step of each direction.

y_n = [forward_n, backward_n],  where the backward direction starts at the last real frame of its row
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask
from jaxspeech.nn.lstm import Gates
from jaxspeech.nn.recurrence import Weights, run

DIRECTIONS = ("forward", "backward")


def reverse(x: Float[Array, "B T D"], num_frames: Int[Array, " B"]) -> Float[Array, "B T D"]:
    """Reverses the real frames of each row; its padding stays in place."""
    place = jnp.arange(x.shape[1])[None]
    mirrored = jnp.where(length_mask(num_frames, x.shape[1]), num_frames[:, None] - 1 - place, place)
    return jnp.take_along_axis(x, mirrored[:, :, None], axis=1)


class BidirectionalLSTM(nn.Module):
    """One layer; the parameters are `forward_input`, `forward_hidden`, `backward_input` and `backward_hidden`.

    Attributes:
      width: of each direction.
      dtype: of the matrix products; gates and cells stay float32.
    """

    width: int
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D_in"], num_frames: Int[Array, " B"]) -> Float[Array, "B T D"]:
        """Computes both directions from states of zeros. Outputs beyond num_frames are meaningless."""
        gates, hidden = [], []
        for direction in DIRECTIONS:
            options: Any = {"width": self.width, "forget_bias": 0.0, "dtype": self.dtype}
            gates.append(Gates(x.shape[-1], **options, name=f"{direction}_input")(x).astype(jnp.float32))
            hidden.append(Gates(self.width, **options, name=f"{direction}_hidden"))
        ahead, back = gates
        inputs = jnp.stack([ahead, reverse(back, num_frames)]).swapaxes(1, 2)
        kernels, biases = jnp.stack([x.kernel for x in hidden]), jnp.stack([x.bias for x in hidden])
        zeros = jnp.zeros((x.shape[0], self.width))

        def of_direction(inputs: Array, kernel: Array, bias: Array) -> Array:
            found: Any = run(inputs, Weights(kernel, bias, None), (zeros, zeros), self.dtype)
            return found[1]

        both: Any = jax.vmap(of_direction)(inputs, kernels, biases)
        ahead, back = both.swapaxes(1, 2)
        return jnp.concatenate([ahead, reverse(back, num_frames)], -1).astype(self.dtype)
