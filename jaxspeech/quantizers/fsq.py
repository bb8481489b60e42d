"""Finite scalar quantization: each value of a frame is rounded to one of a few levels (Mentzer et al., 2023).

s = (L - 1) / 2 (1 - 1e-3),   o = 1/2 if L is even, else 0
y = s tanh(x + tan(o / s)) - o,    value = round(y) / (L // 2),    id = sum_i (round(y_i) + L_i // 2) L_1 ... L_{i-1}

The gradient passes the rounding as if it were not there. The paper has artanh where NeMo has tan, which differ by a few
per cent; and values of an even L run from -1 to (L/2 - 1) / (L/2), not to 1.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.masks import zero_padding
from jaxspeech.quantizers.quantized import Quantized

# By how much the range is smaller than that of the levels, so that rounding does not leave it.
MARGIN = 1e-3
# Ids are int32.
MOST_CODES = 2**31


def quantize(x: Float[Array, "... L"], levels: tuple[int, ...]) -> tuple[Float[Array, "... L"], Int[Array, "..."]]:
    """Quantizes vectors; returns their values in [-1, 1] and their numbers, in float32 and int32.

    Args:
      x: vectors of as many values as there are levels.
      levels: number of levels of each value, at least 2.
    """
    counts = np.array(levels)
    scale = (counts - 1) / 2 * (1 - MARGIN)
    offset = np.where(counts % 2 == 0, 0.5, 0.0)
    shift = np.tan(offset / scale)
    scale, offset, shift = (jnp.asarray(value, jnp.float32) for value in (scale, offset, shift))
    y = scale * jnp.tanh(x.astype(jnp.float32) + shift) - offset
    rounded = jnp.round(jax.lax.stop_gradient(y))
    half = counts // 2
    ids = ((rounded.astype(jnp.int32) + half) * _bases(levels)).sum(-1)
    return (y + jax.lax.stop_gradient(rounded - y)) / jnp.asarray(half, jnp.float32), ids.astype(jnp.int32)


def dequantize(ids: Int[Any, "..."], levels: tuple[int, ...]) -> Float[Array, "... L"]:
    """Returns the values of vectors by their numbers, which must lie below the product of the levels."""
    counts = np.array(levels)
    digits = jnp.asarray(ids)[..., None] // _bases(levels) % counts
    return (digits - counts // 2).astype(jnp.float32) / jnp.asarray(counts // 2, jnp.float32)


def _bases(levels: tuple[int, ...]) -> np.ndarray:
    return np.cumprod([1, *levels[:-1]]).astype(np.int32)


class FSQ(nn.Module):
    """Quantizes each frame in groups of values; every group has an id.

    Attributes:
      groups: C, the ids of a frame.
      levels: of the values of a group.

    Raises:
      ConfigError: a group has too few or too many levels.
    """

    groups: int
    levels: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups < 1 or not self.levels or min(self.levels) < 2 or self.size >= MOST_CODES:
            raise ConfigError(
                f"model.quantizer: groups {self.groups}, levels {tuple(self.levels)}: there must be a group, each "
                "level at least 2, and their product below 2^31"
            )

    @property
    def width(self) -> int:
        """D, the values of a frame."""
        return self.groups * len(self.levels)

    @property
    def num_codebooks(self) -> int:
        """C, the ids of a frame."""
        return self.groups

    @property
    def size(self) -> int:
        """The number of different ids."""
        return int(np.prod(np.array(self.levels, object)))

    def __call__(self, x: Float[Any, "B T D"], num_frames: Int[Any, " B"], *, train: bool = False) -> Quantized:
        """Quantizes frames; values and ids are zero beyond a row's own."""
        del train
        values, ids = quantize(x.reshape(*x.shape[:2], self.groups, len(self.levels)), self.levels)
        values = zero_padding(values.reshape(*x.shape[:2], self.width), num_frames)
        ids = zero_padding(ids, num_frames).swapaxes(1, 2)
        return Quantized(values, ids, jnp.zeros(x.shape[0], jnp.float32))

    def lookup(self, ids: Int[Any, "B C T"], num_frames: Int[Any, " B"]) -> Float[Array, "B T D"]:
        """Returns the values of ids; zero beyond a row's frames."""
        values = dequantize(ids.swapaxes(1, 2), self.levels)
        return zero_padding(values.reshape(*values.shape[:2], self.width), num_frames)
