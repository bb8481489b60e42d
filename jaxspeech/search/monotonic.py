"""Finds the best monotonic path of frames through a text: each symbol in order, none left out (monotonic alignment
search; Kim et al., "Glow-TTS", 2020, algorithm 1).

Q[t, n] = log p[t, n] + max(Q[t-1, n-1], Q[t-1, n]),     Q[0, n] = log p[0, 0] if n = 0, else -inf

The path ends in the last symbol at the last frame. Where both predecessors are equally good, it comes from n - 1.
Each frame's best log-probability is subtracted first, which changes no path and keeps the sums over long recordings
precise.

**Cost.** One step over [B N] for each frame, and one look-up a row on the way back: O(B T N) operations on a device,
and T B N bytes for the choices. Nothing leaves the compiled program. There is no gradient.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.loops import scan
from jaxspeech.masks import length_mask


class MonotonicPath(NamedTuple):
    """The best path.

    Attributes:
      symbols: the symbol of each frame; 0 beyond num_frames.
      durations: the frames of each symbol; their sum is num_frames, unless the row has no symbol. Where there are fewer
        frames than symbols, the first symbols get 0, and every other one a frame: see `has_path`.
    """

    symbols: Int[Array, "B T"]
    durations: Int[Array, "B N"]


@jax.jit
def monotonic_path(
    log_probs: Float[Any, "B T N"], num_frames: Int[Any, " B"], num_symbols: Int[Any, " B"]
) -> MonotonicPath:
    """Finds the path of the greatest sum of log-probabilities.

    Args:
      log_probs: of each symbol at each frame; -inf is never chosen unless there is nothing else. Padding may hold
        anything. A constant added to all symbols of a frame changes nothing.
      num_frames, num_symbols: real frames and symbols of each row.
    """
    scores = jax.lax.stop_gradient(jnp.asarray(log_probs, jnp.float32))
    num_frames, num_symbols = jnp.asarray(num_frames, jnp.int32), jnp.asarray(num_symbols, jnp.int32)
    frames, symbols = scores.shape[1], scores.shape[2]
    real = length_mask(num_frames, frames)
    scores = jnp.where(real[:, :, None] & length_mask(num_symbols, symbols)[:, None], scores, -jnp.inf)
    best = scores.max(-1, keepdims=True)
    scores = scores - jnp.where(jnp.isfinite(best), best, 0)

    def forward(before: Float[Array, "B N"], frame: Float[Array, "B N"]) -> tuple[Array, Array]:
        left = jnp.pad(before[:, :-1], ((0, 0), (1, 0)), constant_values=-jnp.inf)
        # From the symbol before: at the first symbol there is none, even where both are impossible.
        moves = (left >= before).at[:, 0].set(False)
        return frame + jnp.where(moves, left, before), moves

    # Before the first frame, a path is in the first symbol: it can be in no other at frame 0 then.
    start = jnp.where(jnp.arange(symbols) == 0, 0.0, -jnp.inf)
    first = scores[:, 0] + start
    moves = scan(forward, first, scores[:, 1:].transpose(1, 0, 2))[1]

    def backward(place: Int[Array, " B"], step: tuple[Array, Array]) -> tuple[Array, Array]:
        moves, within = step
        moved = jnp.take_along_axis(moves, place[:, None], axis=1)[:, 0]
        return place - (moved & within), place

    # Step t leads from frame t to frame t + 1; padded frames stay in the last symbol.
    last = jnp.maximum(num_symbols - 1, 0)
    place, path = scan(backward, last, (moves, real[:, 1:].T), reverse=True)
    path = jnp.where(real, jnp.concatenate([place[None], path]).T, 0)
    used = real & (num_symbols > 0)[:, None]
    durations = (used[:, None] & (path[:, None] == jnp.arange(symbols)[:, None])).sum(2, dtype=jnp.int32)
    return MonotonicPath(path, durations)


def has_path(num_frames: Int[Any, " B"], num_symbols: Int[Any, " B"]) -> Bool[Array, " B"]:
    """Whether each row has symbols, and a frame for each of them."""
    num_symbols = jnp.asarray(num_symbols)
    return (num_symbols > 0) & (num_symbols <= jnp.asarray(num_frames))
