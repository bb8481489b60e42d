"""The frames that a CTC beam search visits, and the paths that it found: where each token of a text was said."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.tokens import Tokens


class FrameRuns(NamedTuple):
    """The frames that are visited, and the runs of skipped ones before each of them.

    Attributes:
      frames: of each step; only the first `count` are real.
      count: frames that are visited.
      skipped: whether there are skipped frames before each step, and after the last; N = T + 1.
      log_prob: the sum of their blanks' log-probabilities.
    """

    frames: Int[Array, "B T"]
    count: Int[Array, " B"]
    skipped: Bool[Array, "B N"]
    log_prob: Float[Array, "B N"]


class BeamStep(NamedTuple):
    """What each step did to each slot of the beam.

    A place is 2 slot + (1 if the path ended in a token there), in the beam before.

    Attributes:
      blank_from: place from which the best path came that ends in a blank.
      token_from: 2 place + (1 if the token is new) of the best path that ends in a token.
      token: last token of the text.
    """

    blank_from: Int[Any, "*steps B K"]
    token_from: Int[Any, "*steps B K"]
    token: Int[Any, "*steps B K"]


class _Trace(NamedTuple):
    """A walk back over the steps, for M paths of each row; `inside`: the token of the step after began earlier."""

    slot: Int[Array, "B M"]
    in_token: Int[Array, "B M"]
    inside: Bool[Array, "B M"]
    end: Int[Array, "B M"]
    total: Float[Array, "B M"]
    place: Int[Array, "B M"]
    tokens: Tokens


def frame_runs(blank: Float[Array, "B T"], num_frames: Int[Array, " B"], *, skip_blank: float) -> FrameRuns:
    """Returns the frames to visit: those whose blank has at most the probability `skip_blank`.

    Args:
      blank: log-probabilities of the blank; padding may hold anything.
      num_frames: real frames of each row.
      skip_blank: 1 skips no frame.
    """
    b, t = blank.shape
    rows, time = jnp.arange(b)[:, None], jnp.arange(t, dtype=jnp.int32)
    real = time < num_frames[:, None]
    skipped = real & (blank > (math.log(skip_blank) if skip_blank < 1 else math.inf))
    visited = real & ~skipped
    upto = jnp.cumsum(visited, axis=1)
    frames = jnp.zeros((b, t), jnp.int32).at[rows, jnp.where(visited, upto - 1, t)].set(time, mode="drop")
    place = jnp.where(skipped, upto, t + 1)  # out of range: dropped
    log_prob = jnp.zeros((b, t + 1), jnp.float32).at[rows, place].add(blank, mode="drop")
    return FrameRuns(frames, upto[:, -1], jnp.zeros((b, t + 1), bool).at[rows, place].set(True, mode="drop"), log_prob)


def no_steps(t: int, b: int, k: int) -> BeamStep:
    """Returns room for the steps over T frames."""
    zeros = jnp.zeros((t, b, k), jnp.int32)
    return BeamStep(zeros, zeros, zeros)


def best_paths(
    log_probs: Float[Array, "B T W"],
    runs: FrameRuns,
    steps: BeamStep,
    slot: Int[Array, "B M"],
    in_token: Int[Array, "B M"],
    length: Int[Array, "B M"],
    score: Float[Array, "B M"],
) -> Tokens:
    """Follows the best paths of M texts back to the first frame; returns their tokens, [B M T] each.

    Args:
      log_probs: of the symbols.
      runs, steps: the search.
      slot, in_token: where the paths end, see `BeamStep`.
      length: tokens of each text.
      score: of each text.
    """
    t, rows = log_probs.shape[1], jnp.arange(log_probs.shape[0])[:, None]
    rank = jnp.arange(slot.shape[1])

    def back(i: Any, trace: _Trace) -> _Trace:
        i = runs.count.max(initial=0) - 1 - i
        on = (i < runs.count)[:, None]
        frame = runs.frames[:, i][:, None]
        blank_from, token_from, token = (x[i][rows, trace.slot] for x in steps)
        in_token = on & (trace.in_token == 1)
        begins = in_token & (token_from % 2 == 1)
        prob = jnp.exp(log_probs[rows, frame, token])
        end = jnp.where(trace.inside, trace.end, frame + 1)
        total = jnp.where(trace.inside, trace.total, 0) + prob
        place = trace.place - begins
        column = jnp.where(begins & (place >= 0), place, t)  # out of range: dropped

        def put(buffer: Array, values: Array) -> Array:
            return buffer.at[rows, rank, column].set(values, mode="drop", unique_indices=True)

        tokens = trace.tokens._replace(
            ids=put(trace.tokens.ids, token),
            starts=put(trace.tokens.starts, jnp.broadcast_to(frame, token.shape)),
            ends=put(trace.tokens.ends, end),
            confidence=put(trace.tokens.confidence, jnp.minimum(total / (end - frame), 1)),
        )
        before = jnp.where(in_token, token_from // 2, blank_from)
        return _Trace(
            slot=jnp.where(on, before // 2, trace.slot),
            in_token=jnp.where(on, before % 2, trace.in_token),
            inside=in_token & ~begins,
            end=end,
            total=total,
            place=place,
            tokens=tokens,
        )

    none = jnp.zeros((*slot.shape, t), jnp.int32)
    empty = Tokens(none, length, none, none, none.astype(jnp.float32), score)
    zeros = jnp.zeros(slot.shape, jnp.int32)
    start = _Trace(slot, in_token, zeros > 0, zeros, zeros.astype(jnp.float32), length, empty)
    return jax.lax.fori_loop(0, runs.count.max(initial=0), back, start).tokens
