"""Converts between symbols and frames by durations: repeats vectors, and averages frames over each symbol.

d[n] = floor(clip(exp(l[n]) - 1, least, most) / pace + 1/2)             durations in frames, of predicted l = log(1 + d)
y[t] = x[n],  where  d[0] + .. + d[n-1]  <=  t  <  d[0] + .. + d[n]       expansion
m[n] = mean of the v[t] that are not 0 over the frames of symbol n, 0 if there are none

Lengths are integers throughout. NeMo 3.0.0 (tts/parts/utils/helpers.py, regulate_len) sums them in the dtype of x,
which in half precision is wrong after 2048 frames, and multiplies x by a matrix [T N]: here each frame is one look-up,
in O(T log N) steps and T D copies.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.masks import length_mask
from jaxspeech.types import Size


def durations_from_log(
    log_durations: Float[Any, "B N"],
    num_symbols: Int[Any, " B"],
    *,
    pace: Any = 1.0,
    least: float = 0.0,
    most: float = 75.0,
) -> Int[Array, "B N"]:
    """Converts predicted log(1 + durations) to numbers of frames, 0 beyond the text.

    Args:
      log_durations: padding may hold anything.
      num_symbols: real symbols of each row.
      pace: speed, a number or one for each row [B]; above 1 is faster.
      least, most: limits of a duration at pace 1, in frames.
    """
    durations = jnp.clip(jnp.exp(jnp.asarray(log_durations, jnp.float32)) - 1, least, most)
    return rounded_durations(durations, num_symbols, pace=pace)


def rounded_durations(
    durations: Float[Any, "B N"], num_symbols: Int[Any, " B"], *, pace: Any = 1.0
) -> Int[Array, "B N"]:
    """Rounds durations, divided by the pace, to whole frames; halves are rounded up, and padding gets 0."""
    durations = jnp.asarray(durations, jnp.float32)
    real = length_mask(jnp.asarray(num_symbols), durations.shape[1])
    pace = jnp.broadcast_to(jnp.asarray(pace, jnp.float32), durations.shape[:1])
    frames = jnp.floor(jnp.where(real, durations, 0) / pace[:, None] + 0.5)
    return jnp.maximum(frames, 0).astype(jnp.int32)


def expand(
    x: Float[Array, "B N D"], durations: Int[Array, "B N"], num_frames: Size
) -> tuple[Float[Array, "B T D"], Int[Array, " B"]]:
    """Repeats each symbol's vector for its frames.

    Args:
      x: vectors of the symbols; those with a duration of 0, such as padding, may hold anything.
      durations: in frames, 0 beyond the text.
      num_frames: T, at least what the longest row needs; what does not fit is cut.

    Returns:
      The frames, zero beyond each row's end, and the number of frames of each row, at most T.
    """
    tokens, real = symbols_of_frames(durations, num_frames)
    frames = _look_up(x, tokens, real)
    return frames, jnp.minimum(durations.sum(1, dtype=jnp.int32), num_frames)


def symbols_of_frames(durations: Int[Array, "B N"], num_frames: Size) -> tuple[Int[Array, "B T"], Bool[Array, "B T"]]:
    """Returns the symbol of each frame, and which frames have one; the number of the others means nothing."""
    ends = jnp.cumsum(durations, axis=1, dtype=jnp.int32)
    time = jnp.arange(num_frames, dtype=jnp.int32)
    if isinstance(durations.shape[1], int):
        find = partial(jnp.searchsorted, side="right", method="scan_unrolled")
        tokens = jax.vmap(find, (0, None))(ends, time)
    else:  # a search has a number of levels, which a symbolic number of symbols does not have
        tokens = (ends[:, None] <= time[:, None]).sum(2, dtype=jnp.int32)
    return jnp.minimum(tokens, durations.shape[1] - 1), length_mask(ends[:, -1], num_frames)


def token_means(values: Float[Any, "B T"], durations: Int[Any, "B N"]) -> Float[Array, "B N"]:
    """Averages over each symbol those of its frames whose value is not 0, which stands for unvoiced.

    Args:
      values: one per frame; beyond the frames that the durations cover it may hold anything.
      durations: in frames.

    Returns:
      The means; 0 for a symbol without such a frame.
    """
    values, durations = jnp.asarray(values, jnp.float32), jnp.asarray(durations)
    ends = jnp.cumsum(durations, axis=1, dtype=jnp.int32)
    time = jnp.arange(values.shape[1])
    values = jnp.where(length_mask(ends[:, -1], values.shape[1]), values, 0)
    # Sums over [B N T] that are never stored: differences of running sums would lose digits.
    within = (time >= (ends - durations)[:, :, None]) & (time < ends[:, :, None])
    totals = jnp.where(within, values[:, None], 0).sum(2)
    counts = (within & (values != 0)[:, None]).sum(2)
    return totals / jnp.maximum(counts, 1)


@jax.custom_vjp
def _look_up(x: Float[Array, "B N D"], tokens: Int[Array, "B T"], real: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
    frames = jnp.take_along_axis(x, tokens[:, :, None], axis=1)
    return jnp.where(real[:, :, None], frames, jnp.zeros((), x.dtype))


def _look_up_forward(x: Array, tokens: Array, real: Array) -> tuple[Array, Any]:
    # Only the number of symbols is needed of x.
    return _look_up(x, tokens, real), (tokens, real, x[:, :, :0])


def _look_up_backward(residuals: Any, cotangent: Array) -> tuple[Array, None, None]:
    tokens, real, like = residuals
    # Adding up frame by frame would be slow on a CPU, and in no fixed order on a GPU.
    owner = (tokens[:, None] == jnp.arange(like.shape[1])[:, None]) & real[:, None]
    return jnp.einsum("bnt,btd->bnd", owner.astype(cotangent.dtype), cotangent, precision="highest"), None, None


_look_up.defvjp(_look_up_forward, _look_up_backward)
