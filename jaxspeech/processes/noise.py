"""Draws complex noise that does not depend on the padding or on the batch."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Int

from jaxspeech.masks import length_mask
from jaxspeech.randomness import standard_normal
from jaxspeech.types import Key, Size


def complex_noise(key: Key, channels: int, frames: Size, bins: int) -> Complex[Array, "C N F"]:
    """Draws standard complex normal noise, of variance 1 in total; the first frames are the same for any number."""
    parts = standard_normal(key, (frames, channels, bins, 2)) * 0.5**0.5
    return jax.lax.complex(parts[..., 0], parts[..., 1]).swapaxes(0, 1)


def rows_noise(
    keys: Any, num_frames: Int[Array, " B"], channels: int, frames: Size, bins: int
) -> Complex[Array, "B C N F"]:
    """Draws noise for each row from a key of its own, zero from num_frames on."""
    noise = jax.vmap(lambda key: complex_noise(key, channels, frames, bins))(keys)
    return jnp.where(length_mask(num_frames, frames)[:, None, :, None], noise, 0)
