"""What fused models add to the tokens by which an attention decoder continues a text, and to its end.

score(v | text) = log p(v | text, audio) + f(v | text)            f(end | text) = Fusion.end
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.fusion import Fusion
from jaxspeech.search.shortlist import best_tokens


class Continuations(NamedTuple):
    """Tokens that may follow each text: their ids, the decoder's log-probabilities, and f of each."""

    ids: Int[Array, "*rows C"]
    log_probs: Float[Array, "*rows C"]
    added: Float[Array, "*rows C"]


def best_continuations(
    fusion: Fusion,
    states: Any,
    log_probs: Float[Array, "*rows W"],
    *,
    count: int,
    end_id: int,
    vocab_size: int | None,
    needed: Bool[Array, "*rows"],
) -> Continuations:
    """Returns the `count` best tokens after each text, by both scores, and the end as the last.

    Args:
      fusion, states: the models, and their states of the texts.
      log_probs: of the decoder, -inf for what is not allowed.
      count: at most the number of tokens.
      end_id, vocab_size: as in `attention_greedy`; the models have as many tokens.
      needed: texts that have not ended; the others may hold anything.
    """
    tokens = log_probs[..., :vocab_size]
    ends = jnp.arange(tokens.shape[-1]) == end_id
    best = best_tokens(fusion, states, jnp.where(ends, -jnp.inf, tokens), count=count, needed=needed)
    # In texts that have ended, or allow too few tokens, the end can be among the tokens; it shall be there once.
    other = jnp.where(best.tokens == end_id, (end_id + 1) % tokens.shape[-1], best.tokens)
    ids = jnp.concatenate([other, jnp.full((*needed.shape, 1), end_id, other.dtype)], axis=-1)
    of_decoder = jnp.take_along_axis(log_probs, ids, axis=-1)
    # Where a token is not allowed both are -inf, and their difference is no number.
    added = jnp.where(of_decoder[..., :-1] > -jnp.inf, best.scores - of_decoder[..., :-1], -jnp.inf)
    return Continuations(ids, of_decoder, jnp.concatenate([added, fusion.end(states)[..., None]], axis=-1))


def given_continuations(
    fusion: Fusion, states: Any, log_probs: Float[Array, "*rows C"], ids: Int[Array, "*rows C"], *, end_id: int
) -> Continuations:
    """Returns f of the given tokens, whose decoder's log-probabilities are known."""
    is_end = ids == end_id
    tokens = fusion.candidates(states, jnp.where(is_end, 0, ids))
    return Continuations(ids, log_probs, jnp.where(is_end, fusion.end(states)[..., None], tokens))


def all_continuations(fusion: Fusion, states: Any, log_probs: Float[Array, "*rows W"], *, end_id: int) -> Continuations:
    """Returns f of all tokens that the models know; the others are not allowed anyway."""
    scores = fusion.scores(states)
    ids = jnp.arange(scores.shape[-1], dtype=jnp.int32)
    added = jnp.where(ids == end_id, fusion.end(states)[..., None], scores)
    return Continuations(jnp.broadcast_to(ids, added.shape), log_probs[..., : added.shape[-1]], added)
