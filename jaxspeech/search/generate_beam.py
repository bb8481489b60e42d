"""Beam search for language models, as Transformers does it: texts that have ended leave the beam.

candidates   (hypothesis, token), score + log p(token): the 2 K best of a row, (1 + E) K with E > 1 ends
ended        of the K best of these, those that end or reach the limit: the K best ever by score / n^a are kept, n being
             the number of tokens with the end
beam         the K best candidates that have not ended
stop         when K texts have ended, and the best of the beam is no better than the worst of them: by its score / n^a
             now, or with `early_stopping="never"` at the length that is best for it; or, with `early_stopping=True`,
             as soon as K have ended

`search.attention_beam` keeps the texts that have ended in the beam, where they compete with the others at every length.

Source: transformers 5, `generation/utils.py`, `_beam_search`. There a batch is one search; here a row by itself has the
same texts, and a limit of its own.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.texts import Step, are_ends
from jaxspeech.search.tokens import Tokens


class _Ended(NamedTuple):
    """The K best texts of each row that have ended, the best first."""

    ids: Int[Array, "B K N"]
    probs: Float[Array, "B K N"]
    lengths: Int[Array, "B K"]
    scores: Float[Array, "B K"]
    ranks: Float[Array, "B K"]  # by which they are ordered; -inf where there is none


class _Beam(NamedTuple):
    """The K best texts of each row that have not ended, the best first."""

    count: Int[Array, ""]  # tokens of each
    ids: Int[Array, "B K N"]
    probs: Float[Array, "B K N"]
    scores: Float[Array, "B K"]
    last: Int[Array, "B K"]
    parents: Int[Array, "B K"]  # the hypotheses of the state that they continue with their last token
    state: Any
    ended: _Ended
    over: Bool[Array, " B"]


def generate_beam(
    step: Step,
    logits: Float[Array, "B V"],
    state: Any,
    *,
    beam_size: int,
    end_ids: tuple[int, ...],
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
    length_penalty: float = 1.0,
    early_stopping: bool | str = False,
    num_best: int = 1,
) -> list[Tokens]:
    """Generates the best texts of each row, the best first.

    Args:
      step: (ids [B K], state) -> (logits of the next token [B K V], state), both with the rows and hypotheses in one
        axis.
      logits, end_ids, most_tokens, limits: as in `search.generate`.
      state: with the rows in the leading axis of every leaf.
      beam_size: K.
      length_penalty: a; 0 ranks by the log-probability, more favours long texts.
      early_stopping: when the search of a row stops: False, True or "never".
      num_best: how many texts to return, at most K.

    Returns:
      One `Tokens` for each rank. `score` is the log-probability of the text with its end, if it has one within the
      limit; -inf for ranks without a text. Transformers' `sequences_scores` are these divided by n^a.

    Raises:
      ConfigError: `num_best` is not between 1 and `beam_size`, or `most_tokens` is below 1.
    """
    if not 1 <= num_best <= beam_size:
        raise ConfigError(f"num_best={num_best} with beam_size={beam_size}: num_best must be between 1 and beam_size")
    if most_tokens < 1:
        raise ConfigError(f"most_tokens={most_tokens}: it must be 1 or more")
    if early_stopping not in (True, False, "never"):
        raise ConfigError(f'early_stopping={early_stopping!r}: it must be True, False or "never"')
    (b, vocab_size), k, n = logits.shape, beam_size, most_tokens
    limits = jnp.full(b, n) if limits is None else jnp.minimum(jnp.asarray(limits), n)
    num_candidates = min(max(2, 1 + len(end_ids)) * k, k * vocab_size)

    def rank(scores: Array, lengths: Any) -> Array:
        return scores / jnp.maximum(lengths, 1).astype(jnp.float32) ** length_penalty

    def add_token(beam: _Beam, logits: Array) -> _Beam:
        log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
        every = (beam.scores[..., None] + log_probs).reshape(b, -1)
        scores, best = jax.lax.top_k(every, num_candidates)
        parents, tokens = best // vocab_size, (best % vocab_size).astype(jnp.int32)
        count, is_end = beam.count + 1, are_ends(tokens, end_ids)
        stops = is_end | (count >= limits[:, None])
        probs = jnp.exp(jnp.take_along_axis(log_probs.reshape(b, -1), best, axis=1))
        here = (jnp.arange(n) == beam.count) & ~is_end[..., None]
        ids = jnp.where(here, tokens[..., None], _rows(beam.ids, parents))
        probs = jnp.where(here, probs[..., None], _rows(beam.probs, parents))

        # Only the K best candidates can end; the others are there so that K remain that do not.
        ends = stops & (jnp.arange(num_candidates) < k) & ~beam.over[:, None]
        ranks = jnp.where(ends, rank(scores, count), -jnp.inf)
        new = _Ended(ids, probs, count - is_end, scores, ranks)
        both = jax.tree.map(lambda x, y: jnp.concatenate([x, y], axis=1), beam.ended, new)
        ended = jax.tree.map(lambda x: _rows(x, jax.lax.top_k(both.ranks, k)[1]), both)

        running, place = jax.lax.top_k(jnp.where(stops, -jnp.inf, scores), k)
        full = (ended.ranks > -jnp.inf).all(-1)
        longest = limits if early_stopping == "never" and length_penalty > 0 else count
        hopeless = full & (rank(running[:, 0], longest) <= ended.ranks[:, -1])
        over = beam.over | hopeless | (count >= limits)
        return _Beam(
            count=count,
            ids=_rows(ids, place),
            probs=_rows(probs, place),
            scores=running,
            last=_rows(tokens, place),
            parents=_rows(parents, place),
            state=beam.state,
            ended=ended,
            over=over | full if early_stopping is True else over,
        )

    def body(beam: _Beam) -> _Beam:
        chosen = (jnp.arange(b)[:, None] * k + beam.parents).reshape(-1)
        logits, state = step(beam.last.reshape(-1), jax.tree.map(lambda x: x[chosen], beam.state))
        return add_token(beam._replace(state=state), logits.reshape(b, k, vocab_size))

    first, empty = jnp.arange(k) == 0, jnp.zeros((b, k, n), jnp.int32)
    unlikely = jnp.full((b, k), -jnp.inf)
    # A row without room for a token has the empty text.
    none = jnp.where(first & (limits <= 0)[:, None], 0.0, unlikely)
    beam = _Beam(
        count=jnp.zeros((), jnp.int32),
        ids=empty,
        probs=jnp.zeros((b, k, n)),
        # One hypothesis at first: the others have no probability, and are replaced by the candidates of the first.
        scores=jnp.where(first, 0.0, unlikely),
        last=jnp.zeros((b, k), jnp.int32),
        parents=jnp.zeros((b, k), jnp.int32),
        state=jax.tree.map(lambda x: jnp.repeat(x, k, axis=0), state),
        ended=_Ended(empty, jnp.zeros((b, k, n)), jnp.zeros((b, k), jnp.int32), none, none),
        over=limits <= 0,
    )
    beam = add_token(beam, jnp.broadcast_to(logits[:, None], (b, k, vocab_size)))
    ended = jax.lax.while_loop(lambda beam: ~beam.over.all(), body, beam).ended
    zeros = jnp.zeros((b, n), jnp.int32)

    def ranked(i: int) -> Tokens:
        # A rank without a text has what a candidate had that did not end.
        there = ended.ranks[:, i] > -jnp.inf
        ids, probs = (jnp.where(there[:, None], x[:, i], 0) for x in (ended.ids, ended.probs))
        score = jnp.where(there, ended.scores[:, i], -jnp.inf)
        return Tokens(ids, jnp.where(there, ended.lengths[:, i], 0), zeros, zeros, probs, score)

    return [ranked(i) for i in range(num_best)]


def _rows(x: Array, places: Int[Array, "B C"]) -> Array:
    """Takes of each row the hypotheses at these places."""
    return jnp.take_along_axis(x, places.reshape(*places.shape, *(1,) * (x.ndim - 2)), axis=1)
