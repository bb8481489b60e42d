"""Beam search for CTC, over all rows and texts in one loop: the most probable texts, instead of the most probable path.

Of the paths over the frames so far that spell the text g, n(g) is the total probability of those that end in its last
token c, b(g) of those that end in a blank. A frame with the probabilities p changes them to

b'(g) = p(blank) (b(g) + n(g))
n'(g) = p(c)     (n(g) + b(h) + [c is not the last token of h] n(h))                g is h with one more token, c

and the K texts with the best score remain. The score is log (b + n) + sum_i w_i log p_i(g) + bonus |g|, with the fused
models (`search.fusion`) in the sum. Only the most probable tokens of a frame can be added, and of these pairs of a text
and a token only the best by all but the models' scores of the token are shown to the models.

A run of frames that are blanks almost certainly is one step: b' = (b + n) prod p(blank), n' = 0.

merge="max" searches for the best path instead, like NeMo's `beam_batch`: every text has one path that ends in a blank,
and one that ends in a token, which are pruned separately. It has no other use than equal results.

Sources: Hannun et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs"
(2014), algorithm 1; Chen et al., "Phone Synchronous Speech Recognition With CTC Lattices" (2016), for the blanks.
"""

import math
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.ctc_texts import (
    HASH_FACTORS,
    Paths,
    Stayed,
    Texts,
    after_blanks,
    children,
    either,
    first_texts,
    select,
    stay,
    without_equal,
)
from jaxspeech.search.ctc_trace import BeamStep, best_paths, frame_runs, no_steps
from jaxspeech.search.fusion import Fusion, check_vocabulary
from jaxspeech.search.tokens import Tokens

Merge = Literal["sum", "max"]

# Pairs of a text and a token that are shown to the models in a frame, for each text of the beam.
_PAIRS = 8


class _Pairs(NamedTuple):
    """Texts with one more token: their score, total, what is added, the slot of the text, the token, its log p."""

    score: Float[Any, "B C"]
    total: Float[Any, "B C"]
    added: Float[Any, "B C"]
    slot: Int[Any, "B C"]
    token: Int[Any, "B C"]
    log_prob: Float[Any, "B C"]


def ctc_beam(
    log_probs: Float[Any, "B T W"],
    num_frames: Int[Any, " B"],
    *,
    blank_id: int,
    beam_size: int = 8,
    num_best: int = 1,
    candidates: int | None = 16,
    fusion: Fusion | None = None,
    length_bonus: float | Float[Any, ""] = 0.0,
    threshold: float | Float[Any, ""] = math.inf,
    skip_blank: float = 0.999,
    merge: Merge = "sum",
) -> list[Tokens]:
    """Finds the best texts of each row, the best first. Call it under `jax.jit`.

    Args:
      log_probs: log-probabilities of the W = V + 1 symbols; padding may hold anything.
      num_frames: real frames of each row.
      blank_id: index of the blank among the W symbols.
      beam_size: K, texts of each row.
      num_best: texts to return, at most K.
      candidates: tokens of a frame that can be added to a text, the most probable ones; None for all.
      fusion: other models.
      length_bonus: added to the score for each token: models prefer short texts, the more so the more models there are.
      threshold: a text whose score is so much below the best one's is dropped.
      skip_blank: a frame whose blank is more probable is only a blank; 1 skips none.
      merge: "sum" adds the probabilities of a text's paths; "max" is NeMo's search.

    Returns:
      One `Tokens` for each rank, N = T. Frames and `confidence` (the mean probability of a token over its frames) are
      those of the most probable path of the text. `score` is the text's log-probability (as far as its paths stayed in
      the beam) plus what the models and the bonus add; -inf for ranks beyond the texts in the beam.

    Raises:
      ConfigError: `num_best` is not between 1 and `beam_size`; or the models have another number of tokens.
    """
    if not 1 <= num_best <= beam_size:
        raise ConfigError(f"num_best={num_best} with beam_size={beam_size}: num_best must be between 1 and beam_size")
    log_probs, num_frames = jnp.asarray(log_probs).astype(jnp.float32), jnp.asarray(num_frames)
    (b, t, width), rows, k, sums = log_probs.shape, jnp.arange(log_probs.shape[0]), beam_size, merge == "sum"
    tried = width - 1 if candidates is None else min(candidates, width - 1)
    if fusion is not None:
        check_vocabulary(fusion, width - 1)
    runs = frame_runs(log_probs[..., blank_id], num_frames, skip_blank=skip_blank)
    frames = log_probs[rows[:, None], runs.frames]
    of_token, tokens = jax.lax.top_k(jnp.where(jnp.arange(width) == blank_id, -jnp.inf, frames), tried)
    options = {"bonus": length_bonus, "fusion": fusion, "num_pairs": k * (_PAIRS if tried < width - 1 else tried)}

    def step(i: Any, carry: tuple[Texts, BeamStep]) -> tuple[Texts, BeamStep]:
        before, steps = carry
        texts, was_token = after_blanks(before, runs, i)
        frame, on = frames[:, i], (i < runs.count)[:, None]
        last = jnp.where(texts.last >= 0, jnp.take_along_axis(frame, jnp.maximum(texts.last, 0), axis=1), -jnp.inf)
        stayed = stay(texts, frame[:, blank_id, None], last, was_token, sums=sums)
        pairs = _pairs(texts, of_token[:, i], tokens[:, i].astype(jnp.int32), sums=sums, **options)
        found, made = _choose(texts, stayed, pairs, fusion=fusion, threshold=threshold, sums=sums)
        texts = jax.tree.map(lambda new, old: jnp.where(on.reshape(b, *(1,) * (new.ndim - 1)), new, old), found, before)
        return texts, jax.tree.map(lambda all_, new: all_.at[i].set(new), steps, made)

    begin = first_texts(b, k, fusion), no_steps(t, b, k)
    texts, steps = jax.lax.fori_loop(0, runs.count.max(initial=0), step, begin)
    texts, was_token = after_blanks(texts, runs, runs.count)
    score = either(texts.total, sums=sums) + texts.added
    if fusion is not None:
        score = score + fusion.end(texts.models)
    score, slot = jax.lax.top_k(score, num_best)
    in_token = jnp.where(texts.best.token > texts.best.blank, 1, was_token)
    length = jnp.where(score > -jnp.inf, select(texts.length, slot), 0)
    found = best_paths(log_probs, runs, steps, slot, select(in_token, slot), length, score)
    return [Tokens(*(field[:, rank] for field in found)) for rank in range(num_best)]


def _pairs(
    texts: Texts,
    of_token: Float[Array, "B N"],
    tokens: Int[Array, "B N"],
    *,
    sums: bool,
    bonus: float | Float[Any, ""],
    fusion: Fusion | None,
    num_pairs: int,
) -> _Pairs:
    """Returns the texts that are one token longer, but for those that are in the beam already."""
    (b, n), k = tokens.shape, texts.last.shape[1]
    again = tokens[:, None] == texts.last[..., None]
    lead = jnp.where(again, texts.total.blank[..., None], either(texts.total, sums=sums)[..., None])
    total = lead + of_token[:, None]
    if sums:
        there = children(texts)[..., None] & (tokens[:, None] == texts.last[..., None])[:, None]
        total = jnp.where(there.any(2), -jnp.inf, total)
    score = (total + texts.added[..., None] + bonus).reshape(b, k * n)
    place = jnp.broadcast_to(jnp.arange(k * n), (b, k * n))
    if fusion is not None:
        score, place = jax.lax.top_k(score, min(num_pairs, k * n))
    slot, column = place // n, place % n
    total, token, log_prob = select(total.reshape(b, -1), place), select(tokens, column), select(of_token, column)
    if fusion is None:
        return _Pairs(score, total, jnp.full_like(score, bonus), slot, token, log_prob)
    of_models = fusion.candidates(select(texts.models, slot), token[..., None])[..., 0]
    return _Pairs(score + of_models, total, of_models + bonus, slot, token, log_prob)


def _choose(
    texts: Texts, stayed: Stayed, pairs: _Pairs, *, fusion: Fusion | None, threshold: float | Float[Any, ""], sums: bool
) -> tuple[Texts, BeamStep]:
    """Returns the best texts among those that stay as they are and the longer ones; without sums, paths."""
    k, ends = texts.last.shape[1], [either(stayed.total)] if sums else [*stayed.total]
    ranked = jnp.concatenate([*(score + texts.added for score in ends), pairs.score], axis=1)
    score, chosen = jax.lax.top_k(ranked, k)
    longer, pair = chosen >= len(ends) * k, jnp.maximum(chosen - len(ends) * k, 0)
    kept = score > score.max(axis=1, keepdims=True) - threshold
    of_pair = partial(select, slots=pair)
    slot, token = jnp.where(longer, of_pair(pairs.slot), chosen % k), of_pair(pairs.token)
    of_slot = partial(select, slots=slot)
    last, hashes = of_slot(texts.last), of_slot(texts.hashes)
    in_blank, in_token = (~longer & kept, kept) if sums else (kept & (chosen < k), kept & (chosen >= k))

    def paths(of_stayed: Paths, of_longer: Array) -> Paths:
        blank = jnp.where(in_blank, of_slot(of_stayed.blank), -jnp.inf)
        token = jnp.where(longer, of_longer, of_slot(of_stayed.token))
        return Paths(blank, jnp.where(in_token, token, -jnp.inf))

    again = token == last
    lead = jnp.where(again, of_slot(texts.best.blank), of_slot(either(texts.best, sums=False)))
    lead_from = jnp.where(again, of_slot(stayed.blank_from), of_slot(stayed.either_from))
    added = hashes * jnp.array(HASH_FACTORS, jnp.uint32) + (token[..., None] + 1).astype(jnp.uint32)
    models = of_slot(texts.models)
    if fusion is not None:
        extended = fusion.extend(models, token)
        models = jax.tree.map(
            lambda n, o: jnp.where(longer.reshape(*longer.shape, *(1,) * (n.ndim - 2)), n, o), extended, models
        )
    found = Texts(
        total=paths(stayed.total, of_pair(pairs.total)),
        best=paths(stayed.best, lead + of_pair(pairs.log_prob)),
        added=of_slot(texts.added) + jnp.where(longer, of_pair(pairs.added), 0),
        last=jnp.where(longer, token, last),
        length=of_slot(texts.length) + longer,
        hashes=jnp.where(longer[..., None], added, hashes),
        prefixes=jnp.where(longer[..., None], hashes, of_slot(texts.prefixes)),
        models=models,
    )
    token_from = jnp.where(longer, 2 * lead_from + 1, of_slot(stayed.token_from))
    made = BeamStep(of_slot(stayed.either_from), token_from, found.last)
    return found if sums else without_equal(found), made
