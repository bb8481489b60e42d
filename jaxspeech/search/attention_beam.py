"""Beam search for attention decoders, over all rows and hypotheses in one loop.

candidates   (hypothesis, token), score + log p(token); a hypothesis that has ended stays as it is
prune        keep the K best of a row by score / ((5 + n) / 6)^a, n being the candidate's own number of tokens
end          when the K hypotheses of every row have ended

Source: Wu et al., "Google's Neural Machine Translation System" (2016), for the penalty on the length.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.attention import Step, of_tokens
from jaxspeech.search.loops import Runs, add_token, in_loop, start_runs
from jaxspeech.search.tokens import Tokens


class _Beam(NamedTuple):
    """K hypotheses of each row."""

    count: Int[Array, ""]
    ids: Int[Array, "B K N"]
    probs: Float[Array, "B K N"]
    lengths: Int[Array, "B K"]  # tokens without the end
    scores: Float[Array, "B K"]
    done: Bool[Array, "B K"]
    logits: Float[Array, "B K W"]
    runs: Runs | None
    state: Any


def attention_beam(
    step: Step,
    logits: Float[Array, "B W"],
    state: Any,
    *,
    select: Any,
    end_id: int,
    vocab_size: int | None = None,
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
    least_tokens: int = 0,
    most_repeats: Int[Any, " B"] | None = None,
    beam_size: int = 4,
    length_penalty: float = 0.0,
    num_best: int = 1,
) -> list[Tokens]:
    """Finds the best texts of each row, the best first.

    Args:
      step, logits, state, end_id, vocab_size, most_tokens, limits, least_tokens, most_repeats: as in
        `attention_greedy`; `step` is called with K hypotheses.
      select: (state, parents [B K]) -> the state of these hypotheses; the first state has one in each row.
      beam_size: K.
      length_penalty: a; 0 ranks by the log-probability.
      num_best: how many texts to return, at most K.

    Returns:
      One `Tokens` for each rank, with the log-probability of the text as `score`: -inf for ranks without a text.

    Raises:
      ConfigError: `num_best` is not between 1 and `beam_size`.
    """
    if not 1 <= num_best <= beam_size:
        raise ConfigError(f"num_best={num_best} with beam_size={beam_size}: num_best must be between 1 and beam_size")
    (b, width), k = logits.shape, beam_size
    limits = jnp.full(b, most_tokens) if limits is None else jnp.minimum(jnp.asarray(limits), most_tokens)

    def penalty(lengths: Array) -> Array:
        return ((5 + lengths) / 6) ** length_penalty

    def body(beam: _Beam) -> _Beam:
        log_probs = jax.nn.log_softmax(beam.logits)
        log_probs = of_tokens(log_probs, beam.count, end_id=end_id, vocab_size=vocab_size, least_tokens=least_tokens)
        # A hypothesis that has ended has one candidate, itself, in the place of the token that ends texts.
        itself = jnp.where(jnp.arange(width) == end_id, 0.0, -jnp.inf)
        scores = beam.scores[..., None] + jnp.where(beam.done[..., None], itself, log_probs)
        is_end = jnp.arange(width) == end_id
        lengths = beam.lengths[..., None] + jnp.where(beam.done[..., None] | is_end, 0, 1)
        # Tokens counts the end where there is one, as the log-probability does.
        ranked = scores / penalty(lengths + jnp.where(is_end, 1, 0))
        _, best = jax.lax.top_k(ranked.reshape(b, -1), k)
        parents, tokens = best // width, (best % width).astype(jnp.int32)

        def of_parents(x: Array) -> Array:
            return jnp.take_along_axis(x, parents.reshape(b, k, *(1,) * (x.ndim - 2)), axis=1)

        was_done = of_parents(beam.done)
        emitted = ~was_done & (tokens != end_id)
        chosen = jnp.take_along_axis(log_probs.reshape(b, -1), best, axis=1)
        place = jnp.arange(most_tokens) == beam.count
        ids = jnp.where(place & emitted[..., None], tokens[..., None], of_parents(beam.ids))
        probs = jnp.where(place & emitted[..., None], jnp.exp(chosen)[..., None], of_parents(beam.probs))
        new_lengths = of_parents(beam.lengths) + emitted
        done, runs = was_done | (tokens == end_id) | (new_lengths >= limits[:, None]), None
        if beam.runs is not None and most_repeats is not None:
            runs = add_token(jax.tree.map(of_parents, beam.runs), tokens)
            done = done | in_loop(runs, jnp.asarray(most_repeats)[:, None])
        logits, state = step(tokens, select(beam.state, parents))
        return _Beam(
            count=beam.count + 1,
            ids=ids,
            probs=probs,
            lengths=new_lengths,
            scores=jnp.take_along_axis(scores.reshape(b, -1), best, axis=1),
            done=done,
            logits=logits.astype(jnp.float32),
            runs=runs,
            state=state,
        )

    # One hypothesis at first: the others have no probability, and are replaced by the candidates of the first.
    begin = _Beam(
        count=jnp.zeros((), jnp.int32),
        ids=jnp.zeros((b, k, most_tokens), jnp.int32),
        probs=jnp.zeros((b, k, most_tokens)),
        lengths=jnp.zeros((b, k), jnp.int32),
        scores=jnp.broadcast_to(jnp.where(jnp.arange(k) == 0, 0.0, -jnp.inf), (b, k)),
        done=jnp.broadcast_to((limits <= 0)[:, None], (b, k)),
        logits=jnp.broadcast_to(logits[:, None].astype(jnp.float32), (b, k, width)),
        runs=None if most_repeats is None else start_runs((b, k)),
        state=select(state, jnp.zeros((b, k), jnp.int32)),
    )
    end = jax.lax.while_loop(lambda beam: (beam.count < most_tokens) & ~beam.done.all(), body, begin)
    _, order = jax.lax.top_k(end.scores / penalty(end.lengths + 1), num_best)
    none = jnp.zeros((b, most_tokens), jnp.int32)

    def ranked(rank: int) -> Tokens:
        ids, probs, lengths, scores = (
            jnp.take_along_axis(x, order[:, rank].reshape(b, *(1,) * (x.ndim - 1)), axis=1)[:, 0]
            for x in (end.ids, end.probs, end.lengths, end.scores)
        )
        return Tokens(ids, lengths, none, none, probs, scores)

    return [ranked(rank) for rank in range(num_best)]
