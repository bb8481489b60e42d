"""Dropout (Srivastava et al., 2014) from one random byte per element.

y = x keep / (1 - p),    keep ~ Bernoulli(1 - p)
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.randomness import random_bytes, random_bytes_by_element


def dropout(key: Any, x: Float[Array, "..."], *, rate: float) -> Float[Array, "..."]:
    """Zeroes elements with probability `rate`, rounded to 1/256, and scales the others to preserve the mean."""
    dropped = round(rate * 256)
    if dropped == 0:
        return x
    if x.dtype == jnp.float32:
        keep, scale = random_bytes(key, x.shape) >= dropped, 256 / (256 - dropped)
        return jnp.where(keep, x * scale, 0.0)  # the fastest on a CPU
    return _in_half(key, x, dropped)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _in_half(key: Any, x: Float[Array, "..."], dropped: int) -> Float[Array, "..."]:
    """Drops `dropped` of 256 elements in half precision; its gradient draws the bytes again instead of storing them."""
    return _times_kept(key, x, dropped, again=False)


def _times_kept(key: Any, x: Float[Array, "..."], dropped: int, *, again: bool) -> Float[Array, "..."]:
    keep = jax.lax.platform_dependent(
        key,
        cpu=lambda key: random_bytes(key, x.shape) >= dropped,
        default=lambda key: random_bytes_by_element(key, x.shape, again=again) >= dropped,
    )
    # A factor, because a scan's forward pass would store the zeros of `where`, and read them in every layer. It is
    # float32 so that the result is rounded once, which has no bias in bfloat16.
    return (x.astype(jnp.float32) * (keep.astype(jnp.float32) * (256 / (256 - dropped)))).astype(x.dtype)


def _forward(key: Any, x: Array, dropped: int) -> tuple[Array, Any]:
    return _in_half(key, x, dropped), key


def _backward(dropped: int, key: Any, gradient: Array) -> tuple[None, Array]:
    return None, _times_kept(key, gradient, dropped, again=True)


_in_half.defvjp(_forward, _backward)


class Dropout(nn.Module):
    """Applies `dropout` in training, with a key from the random stream "dropout"."""

    rate: float

    def __call__(self, x: Float[Array, "..."], *, train: bool) -> Float[Array, "..."]:
        drawn = self.draw(train=train)
        return x if drawn is None else dropout(drawn, x, rate=self.rate)

    def draw(self, *, train: bool) -> Any:
        """Returns a key for `dropout`; None if nothing is dropped."""
        return self.make_rng("dropout") if train and self.rate > 0 else None
