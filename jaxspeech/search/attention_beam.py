"""Beam search for attention decoders, over all rows and hypotheses in one loop.

candidates   (hypothesis, token), score + log p(token); a hypothesis that has ended stays as it is
prune        keep the K best of a row by score / ((5 + n) / 6)^a, n being the candidate's own number of tokens
end          when the K hypotheses of every row have ended

With a second score, such as that of a CTC head (`search.joint`), a hypothesis has as candidates the tokens that the
decoder finds most probable, and the end; their score is the weighted sum of both. With fused models
(`search.attention_fusion`) it has the best by the sum of the scores, and the end.

Source: Wu et al., "Google's Neural Machine Translation System" (2016), for the penalty on the length.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.attention import Step, of_tokens
from jaxspeech.search.attention_fusion import best_continuations, given_continuations
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.joint import Joint
from jaxspeech.search.loops import Runs, add_token, in_loop, start_runs
from jaxspeech.search.tokens import Tokens


class _Beam(NamedTuple):
    """K hypotheses of each row."""

    count: Int[Array, ""]
    ids: Int[Array, "B K N"]
    probs: Float[Array, "B K N"]
    lengths: Int[Array, "B K"]  # tokens without the end
    decoder: Float[Array, "B K"]  # log-probabilities by the decoder
    scores: Float[Array, "B K"]  # those by which hypotheses are ranked, but for the penalty on the length
    done: Bool[Array, "B K"]
    logits: Float[Array, "B K W"]
    runs: Runs | None
    state: Any
    joint: Any  # the state of the second score
    fusion: Any  # the fused models' state
    added: Float[Array, "B K"] | None  # the sum of their scores


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
    joint: Joint | None = None,
    fusion: Fusion | None = None,
) -> list[Tokens]:
    """Finds the best texts of each row, the best first.

    Args:
      step, logits, state, end_id, vocab_size, most_tokens, limits, least_tokens, most_repeats: as in
        `attention_greedy`; `step` is called with K hypotheses.
      select: (state, parents [B K]) -> the state of these hypotheses; the first state has one in each row.
      beam_size: K.
      length_penalty: a; 0 ranks by the log-probability.
      num_best: how many texts to return, at most K.
      joint: a second score.
      fusion: models whose scores are added.

    Returns:
      One `Tokens` for each rank. `score` is the log-probability of the text with its end, or the weighted sum of both
      scores, and the models' scores; -inf for ranks without a text. `confidence` is the decoder's probability of each
      token.

    Raises:
      ConfigError: `num_best` is not between 1 and `beam_size`.
    """
    if not 1 <= num_best <= beam_size:
        raise ConfigError(f"num_best={num_best} with beam_size={beam_size}: num_best must be between 1 and beam_size")
    (b, width), k = logits.shape, beam_size
    limits = jnp.full(b, most_tokens) if limits is None else jnp.minimum(jnp.asarray(limits), most_tokens)

    def penalty(lengths: Array) -> Array:
        return ((5 + lengths) / 6) ** length_penalty

    def candidates(beam: _Beam) -> tuple[Array, Array, Array, Array | None]:
        """The tokens that can follow each hypothesis, the decoder's log-probabilities, the new scores, and f."""
        log_probs = jax.nn.log_softmax(beam.logits)
        log_probs = of_tokens(log_probs, beam.count, end_id=end_id, vocab_size=vocab_size, least_tokens=least_tokens)
        if joint is None and fusion is not None:
            texts = {"vocab_size": vocab_size, "needed": ~beam.done & (beam.scores > -jnp.inf)}
            ids, log_probs, added = best_continuations(
                fusion, beam.fusion, log_probs, count=min(k, (vocab_size or width) - 1), end_id=end_id, **texts
            )
            return ids, log_probs, beam.scores[..., None] + log_probs + added, added
        if joint is None:
            return jnp.arange(width), log_probs, beam.scores[..., None] + log_probs, None
        _, ids = jax.lax.top_k(jnp.where(jnp.arange(width) == end_id, jnp.inf, log_probs), joint.candidates)
        log_probs = jnp.take_along_axis(log_probs, ids, axis=-1)
        of_decoder, weight = beam.decoder[..., None] + log_probs, joint.weight
        scores = (1 - weight) * of_decoder + weight * joint.score(beam.joint, ids)
        if fusion is None or beam.added is None:
            return ids, log_probs, scores, None
        added = given_continuations(fusion, beam.fusion, log_probs, ids, end_id=end_id).added
        return ids, log_probs, scores + beam.added[..., None] + added, added

    def body(beam: _Beam) -> _Beam:
        ids, log_probs, scores, added = candidates(beam)
        is_end = ids == end_id
        # A hypothesis that has ended has one candidate, itself, in the place of the token that ends texts.
        itself = jnp.where(is_end, beam.scores[..., None], -jnp.inf)
        scores = jnp.where(beam.done[..., None], itself, scores)
        lengths = beam.lengths[..., None] + jnp.where(beam.done[..., None] | is_end, 0, 1)
        # Tokens counts the end where there is one, as the log-probability does.
        ranked = scores / penalty(lengths + jnp.where(is_end, 1, 0))
        _, best = jax.lax.top_k(ranked.reshape(b, -1), k)
        parents = best // ids.shape[-1]

        def of_best(x: Array) -> Array:
            return jnp.take_along_axis(x.reshape(b, -1), best, axis=1)

        def of_parents(x: Array) -> Array:
            return jnp.take_along_axis(x, parents.reshape(b, k, *(1,) * (x.ndim - 2)), axis=1)

        was_done, chosen = of_parents(beam.done), of_best(log_probs)
        tokens = (of_best(ids) if ids.ndim > 1 else best % width).astype(jnp.int32)
        emitted = ~was_done & (tokens != end_id)
        place = jnp.arange(most_tokens) == beam.count
        texts = jnp.where(place & emitted[..., None], tokens[..., None], of_parents(beam.ids))
        probs = jnp.where(place & emitted[..., None], jnp.exp(chosen)[..., None], of_parents(beam.probs))
        new_lengths = of_parents(beam.lengths) + emitted
        done, runs = was_done | (tokens == end_id) | (new_lengths >= limits[:, None]), None
        if beam.runs is not None and most_repeats is not None:
            runs = add_token(jax.tree.map(of_parents, beam.runs), tokens)
            done = done | in_loop(runs, jnp.asarray(most_repeats)[:, None])
        logits, state = step(tokens, select(beam.state, parents))
        fused, total = None, None
        if fusion is not None and beam.added is not None and added is not None:
            # What follows an end is not looked at.
            fused = fusion.extend(jax.tree.map(of_parents, beam.fusion), jnp.where(tokens == end_id, 0, tokens))
            total = of_parents(beam.added) + jnp.where(was_done, 0, of_best(added))
        return _Beam(
            count=beam.count + 1,
            ids=texts,
            probs=probs,
            lengths=new_lengths,
            decoder=of_parents(beam.decoder) + jnp.where(was_done, 0, chosen),
            scores=of_best(scores),
            done=done,
            logits=logits.astype(jnp.float32),
            runs=runs,
            state=state,
            joint=None if joint is None else joint.extend(joint.select(beam.joint, parents), tokens),
            fusion=fused,
            added=total,
        )

    # One hypothesis at first: the others have no probability, and are replaced by the candidates of the first.
    alone = jnp.broadcast_to(jnp.where(jnp.arange(k) == 0, 0.0, -jnp.inf), (b, k))
    begin = _Beam(
        count=jnp.zeros((), jnp.int32),
        ids=jnp.zeros((b, k, most_tokens), jnp.int32),
        probs=jnp.zeros((b, k, most_tokens)),
        lengths=jnp.zeros((b, k), jnp.int32),
        decoder=alone,
        scores=alone,
        done=jnp.broadcast_to((limits <= 0)[:, None], (b, k)),
        logits=jnp.broadcast_to(logits[:, None].astype(jnp.float32), (b, k, width)),
        runs=None if most_repeats is None else start_runs((b, k)),
        state=select(state, jnp.zeros((b, k), jnp.int32)),
        joint=None if joint is None else joint.select(joint.state, jnp.zeros((b, k), jnp.int32)),
        fusion=None if fusion is None else jax.tree.map(lambda x: jnp.repeat(x[:, None], k, axis=1), fusion.state),
        added=None if fusion is None else jnp.zeros((b, k)),
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
