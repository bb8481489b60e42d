"""Squeeze and excitation (Hu et al., 2018): channels are scaled by a gate computed from the whole utterance.

y[t] = x[t] sigmoid(W_up act(W_down mean_t x[t]))
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask, zero_padding
from jaxspeech.nn.initializers import convolutional


class SqueezeExcite(nn.Module):
    """Gates the channels; computed in float32 whatever the dtype of the input, and padded frames become zeros.

    Attributes:
      reduction: D divided by the inner width.
      context: frames of the window that training averages over, at a random position that the whole batch shares, so
        that the model learns to work from a part of the utterance; -1 is the whole utterance, as in inference.
      activation: of the inner layer.
      weight_init: see `nn.initializers`.
    """

    reduction: int
    context: int
    activation: Callable[[Any], Any]
    weight_init: str = "xavier_uniform"

    @nn.compact
    def __call__(
        self, x: Float[Array, "B T D"], num_frames: Int[Array, " B"], *, train: bool = False
    ) -> Float[Array, "B T D"]:
        dtype, width = x.dtype, x.shape[-1]
        x = zero_padding(x, num_frames).astype(jnp.float32)
        frames, counted = x, length_mask(num_frames, x.shape[1])
        if train and 0 < self.context <= x.shape[1]:
            latest = max(x.shape[1] - self.context, 1)
            start = jax.random.randint(self.make_rng("dropout"), (), 0, latest)
            frames, counted = (jax.lax.dynamic_slice_in_dim(a, start, self.context, 1) for a in (frames, counted))
        mean = frames.sum(1) / jnp.maximum(counted.sum(1), 1)[:, None]

        def dense(features: int, fan_in: int, name: str) -> nn.Dense:
            init = convolutional(self.weight_init, fan_in, features)
            return nn.Dense(features, use_bias=False, kernel_init=init, name=name)

        inner = width // self.reduction
        gate = dense(width, inner, "up")(self.activation(dense(inner, width, "down")(mean)))
        return (x * jax.nn.sigmoid(gate)[:, None]).astype(dtype)
