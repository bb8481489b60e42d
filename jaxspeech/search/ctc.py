"""Greedy CTC search: the best symbol of every frame, repeats merged, blanks dropped.

Source: Graves et al., "Connectionist Temporal Classification" (ICML 2006), section 3.2, best path decoding.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.search.tokens import Tokens


@partial(jax.jit, static_argnames="blank_id")
def ctc_greedy(log_probs: Float[Any, "B T W"], num_frames: Int[Any, " B"], *, blank_id: int) -> Tokens:
    """The tokens on each utterance's most probable path. There can be as many as frames: N = T.

    Args:
      log_probs: log-probabilities of the W = V + 1 symbols; frames behind `num_frames` may hold anything.
      num_frames: real frames of each row.
      blank_id: the blank's place among the W symbols.

    Returns:
      Tokens that begin with the first frame of their run of equal frames and end after its last. `confidence` is the
      token's mean probability over its run: it needs no setting, and reads as a probability. (The peer's default, an
      exponential Tsallis entropy, is near 0 unless the model is almost certain; `search.confidence` has it.) `score`
      is the log-probability of the path's frames that are not blank, as the peer counts it.
    """
    search = partial(_search, blank_id=blank_id)
    return jax.vmap(search)(jnp.asarray(log_probs).astype(jnp.float32), jnp.asarray(num_frames))


def _search(log_probs: Float[Any, "T W"], num_frames: Int[Any, ""], *, blank_id: int) -> Tokens:
    time = jnp.arange(log_probs.shape[0])
    symbol, log_prob = log_probs.argmax(-1), log_probs.max(-1)
    emits = (time < num_frames) & (symbol != blank_id)
    begins = emits & ((symbol != jnp.roll(symbol, 1)) | (time == 0))

    # Each emitting frame adds to its token's place; all other frames fall off the end.
    place = jnp.where(emits, jnp.cumsum(begins) - 1, time.shape[0])
    empty = jnp.zeros(time.shape[0], jnp.int32)
    ids = empty.at[place].set(symbol.astype(jnp.int32), mode="drop")
    ends = empty.at[place].max(time.astype(jnp.int32) + 1, mode="drop")
    duration = empty.at[place].add(1, mode="drop")
    prob = jnp.zeros(time.shape[0]).at[place].add(jnp.minimum(jnp.exp(log_prob), 1), mode="drop")
    return Tokens(
        ids=ids,
        num_tokens=begins.sum(dtype=jnp.int32),
        starts=ends - duration,
        ends=ends,
        confidence=prob / jnp.maximum(duration, 1),
        score=jnp.where(emits, log_prob, 0).sum(),
    )
