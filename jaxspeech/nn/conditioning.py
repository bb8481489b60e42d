"""Conditions layers on a vector of each row, such as a speaker's.

add         x = x + s
concat      x = W [x, s] + b
layernorm   LN(x) (W_1 s + b_1) + W_2 s + b_2    in place of the norm's own scale and bias (Min et al., 2021)

Source: nemo/collections/tts/modules/submodules.py.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.nn.initializers import dense
from jaxspeech.nn.normalization import EPSILON, LayerNorm

WAYS = ("add", "concat", "layernorm")


class Conditioning(NamedTuple):
    """What a module is conditioned on.

    Attributes:
      vector: as wide as the module's input.
      ways: some of `WAYS`.
    """

    vector: Float[Array, "B D"]
    ways: tuple[str, ...]


class ConditionalInput(nn.Module):
    """Adds the vector to every frame, or projects the two together; without conditioning it changes nothing."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], given: Conditioning | None) -> Float[Array, "B T D"]:
        if given is None:
            return x
        width = x.shape[-1]
        vector = given.vector.astype(x.dtype)
        if "add" in given.ways:
            x = x + vector[:, None]
        if "concat" in given.ways:
            both = jnp.concatenate([x, jnp.broadcast_to(vector[:, None], (*x.shape[:2], vector.shape[-1]))], axis=-1)
            x = dense(width, both.shape[-1], name="join", dtype=self.dtype)(both)
        return x


class ConditionalLayerNorm(nn.Module):
    """A layer norm, whose scale and bias follow from the vector if that is asked for; float32 inside."""

    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B T D"], given: Conditioning | None) -> Float[Array, "B T D"]:
        if given is None or "layernorm" not in given.ways:
            return LayerNorm(dtype=self.dtype, name="norm")(x)
        zeros, ones = nn.initializers.zeros_init(), nn.initializers.ones_init()
        width = x.shape[-1]
        scale = nn.Dense(width, kernel_init=zeros, bias_init=ones, name="scale")(given.vector)[:, None]
        bias = nn.Dense(width, kernel_init=zeros, bias_init=zeros, name="shift")(given.vector)[:, None]
        centred = x.astype(jnp.float32)
        centred = centred - centred.mean(-1, keepdims=True)
        normal = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + EPSILON)
        return (normal * scale + bias).astype(self.dtype)
