"""Says which positions of a row are real where a module computes a recording whole, or part by part.

In parts (see `history`), a module whose convolutions look ahead is late: after layers that look d positions ahead,
position p of the output comes d positions after position p of the input. What lies before the first frame and after the
last one must be zero in every layer, as the padding is where a recording is computed whole.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.history import HISTORY, in_parts, with_history
from jaxspeech.types import Size


class Timeline(NamedTuple):
    """Where the frames of a call lie in their recordings.

    Attributes:
      first: number of the call's first frame.
      end: number of real frames of the recording, as far as it is known.
      size: T, the frames of the call.
      late: whether layers that look ahead are late.
    """

    first: Int[Array, " B"] | int
    end: Int[Array, " B"]
    size: Size
    late: bool

    def mask(self, rate: int = 1, delay: int = 0) -> Bool[Array, "B T"]:
        """Positions that are real, where there are `rate` for each frame and layers so far look `delay` ahead."""
        positions = jnp.arange(self.size * rate)
        if not self.late:
            return positions < self.end[:, None] * rate
        positions = jnp.asarray(self.first)[:, None] * rate + positions - delay
        return (positions >= 0) & (positions < self.end[:, None] * rate)


def timeline(module: nn.Module, num_frames: Int[Any, " B"], size: Size) -> Timeline:
    """Returns the timeline of a call, which in parts continues that of the last one.

    A part with fewer real frames than `size` is the last one; what follows it, with 0, only brings out what is late.
    """
    num_frames = jnp.asarray(num_frames)
    if not in_parts(module):
        return Timeline(0, num_frames, size, late=False)
    first = module.variable(HISTORY, "next_frame", jnp.zeros, num_frames.shape, jnp.int32)
    end = module.variable(HISTORY, "num_frames", jnp.zeros, num_frames.shape, jnp.int32)
    ends = jnp.where(num_frames > 0, first.value + num_frames, end.value).astype(jnp.int32)
    found = Timeline(first.value, ends, size, late=True)
    first.value, end.value = first.value + size, ends
    return found


def delayed(module: nn.Module, name: str, x: Float[Array, "B T D"], delay: int) -> Float[Array, "B T D"]:
    """Returns `x` as late as a layer beside it that looks `delay` positions ahead; `x` itself, if not in parts."""
    if not in_parts(module) or not delay:
        return x
    return with_history(module, name, x, delay)[:, : x.shape[1]]
