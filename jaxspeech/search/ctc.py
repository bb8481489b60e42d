"""Greedy CTC search: takes the best symbol of every frame, merges repeats and drops blanks.

Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006), section 3.2, best path decoding.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.search.tokens import Tokens
from jaxspeech.types import Size


class CTCState(NamedTuple):
    """The state of a search after some frames of its utterances, from which the next part continues.

    Attributes:
      symbol: best symbol of the last frame.
      duration, total: length of the run of frames with this symbol that ends there, and the sum of their probabilities.
      frames: frames searched so far.
    """

    symbol: Int[Any, "*B"]
    duration: Int[Any, "*B"]
    total: Float[Any, "*B"]
    frames: Int[Any, "*B"]


class CTCPath(NamedTuple):
    """A symbol for each frame; padding may hold anything.

    Attributes:
      symbol: a token or the blank.
      log_prob: its log-probability.
      added: to the path's score there, by other models than the acoustic one.
    """

    symbol: Int[Any, "*B T"]
    log_prob: Float[Any, "*B T"]
    added: Float[Any, "*B T"]


def ctc_start(batch_size: Size, *, blank_id: int) -> CTCState:
    """Returns the state before the first frame: as after a blank."""
    zeros = jnp.zeros(batch_size, jnp.int32)
    return CTCState(jnp.full_like(zeros, blank_id), zeros, jnp.zeros(batch_size), zeros)


@partial(jax.jit, static_argnames="blank_id")
def ctc_greedy(log_probs: Float[Any, "B T W"], num_frames: Int[Any, " B"], *, blank_id: int) -> Tokens:
    """Finds the tokens on each utterance's most probable path. There can be as many as frames: N = T.

    Args:
      log_probs: log-probabilities of the W = V + 1 symbols; padding may hold anything.
      num_frames: real frames of each row.
      blank_id: index of the blank among the W symbols.

    Returns:
      The tokens. Each starts with the first frame of its run of equal symbols, and ends after the last. `confidence` is
      the token's mean probability over the run: it has no parameters, and can be read as a probability. (NeMo's
      default, an exponential Tsallis entropy, is near 0 unless the model is almost certain; `search.confidence` has
      it.) `score` is the log-probability of the path's non-blank frames, as in NeMo.
    """
    start = ctc_start(log_probs.shape[0], blank_id=blank_id)
    tokens, _, _ = ctc_greedy_part(log_probs, num_frames, start, blank_id=blank_id)
    return tokens


@partial(jax.jit, static_argnames="blank_id")
def ctc_greedy_part(
    log_probs: Float[Any, "B T W"], num_frames: Int[Any, " B"], state: CTCState, *, blank_id: int
) -> tuple[Tokens, Int[Any, " B"], CTCState]:
    """Continues `ctc_greedy` with the next frames of each utterance.

    Args:
      log_probs, num_frames, blank_id: as in `ctc_greedy`.
      state: the state after the previous part.

    Returns:
      The tokens; how many of them (0 or 1) repeat the last token of the previous part, extended by this one; and the
      state after these frames. `score` is that of these frames only.
    """
    log_probs = jnp.asarray(log_probs).astype(jnp.float32)
    path = CTCPath(log_probs.argmax(-1).astype(jnp.int32), log_probs.max(-1), jnp.zeros(log_probs.shape[:2]))
    return tokens_on(path, jnp.asarray(num_frames), state, blank_id=blank_id)


def tokens_on(
    path: CTCPath, num_frames: Int[Any, " B"], state: CTCState, *, blank_id: int
) -> tuple[Tokens, Int[Any, " B"], CTCState]:
    """Returns what `ctc_greedy_part` does, of any path."""
    return jax.vmap(partial(_tokens_on, blank_id=blank_id))(path, num_frames, state)


def _tokens_on(
    path: CTCPath, num_frames: Int[Any, ""], state: CTCState, *, blank_id: int
) -> tuple[Tokens, Int[Any, ""], CTCState]:
    symbol, log_prob, added = path
    num_padded = symbol.shape[0]
    time = jnp.arange(num_padded, dtype=jnp.int32)
    before = jnp.roll(symbol, 1).at[0].set(state.symbol)
    emits = (time < num_frames) & (symbol != blank_id)
    begins = emits & (symbol != before)
    again = (emits & ~begins)[0].astype(jnp.int32)

    # Each emitting frame is added to its token; all other frames have an index out of range and are dropped.
    place = jnp.where(emits, again + jnp.cumsum(begins) - 1, num_padded)
    empty = jnp.zeros(num_padded, jnp.int32)
    ids = empty.at[place].set(symbol, mode="drop")
    ends = empty.at[place].max(time + 1, mode="drop")
    duration = empty.at[0].set(again * state.duration).at[place].add(1, mode="drop")
    total = jnp.zeros(num_padded).at[0].set(again * state.total)
    total = total.at[place].add(jnp.minimum(jnp.exp(log_prob), 1), mode="drop")
    num_tokens = again + begins.sum(dtype=jnp.int32)
    tokens = Tokens(
        ids=ids,
        num_tokens=num_tokens,
        starts=state.frames + ends - duration,
        ends=state.frames + ends,
        confidence=total / jnp.maximum(duration, 1),
        score=jnp.where(emits, log_prob + added, 0).sum(),
    )
    last, last_token = jnp.maximum(num_frames - 1, 0), jnp.maximum(num_tokens - 1, 0)
    after = CTCState(symbol[last], duration[last_token], total[last_token], state.frames + num_frames)
    return tokens, again, jax.tree.map(partial(jnp.where, num_frames > 0), after, state)
