"""Beam search for transducers (RNN-T, TDT and multi-blank), over all utterances and hypotheses in one loop.

Every iteration extends each of the K hypotheses of each utterance by one symbol (alignment-length synchronous). So all
hypotheses of an iteration have the same number of symbols, blanks included, and may be at different frames:

    candidates   (hypothesis, symbol[, duration]),  score + log p(symbol) [+ log p(duration)]
    prune        keep the K best of an utterance; a finished hypothesis (no frames left) stays as it is
    merge        hypotheses with equal tokens at the same frame (or finished) become one, log(e^a + e^b)

A blank advances by frames as in `search.transducer`. A hypothesis with `max_symbols` tokens in one frame can only be
extended by a blank. The score of a hypothesis is the total log-probability of its alignments that stayed in the beam;
if none was pruned, it is the model's log p(tokens).

Fused models add their scores to the candidates, by the rules of `search.transducer_candidates`, and to the hypotheses
that remain at the end of the audio that of the end of their texts.

Source: Saon et al., "Alignment-Length Synchronous Decoding for RNN Transducer" (ICASSP 2020), with candidates pruned
per hypothesis first; NeMo's `malsd_batch`.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.frame_jumps import tokens_per_frame
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.tokens import Tokens
from jaxspeech.search.transducer import GreedyState, JointFunction, Predict, check_started
from jaxspeech.search.transducer_candidates import DEFAULT_RULES, Rules, check_rules, expand, last_two
from jaxspeech.search.transducer_hypotheses import (
    HASH_FACTORS,
    Beam,
    Loop,
    Step,
    first_hypotheses,
    flat,
    merged_scores,
    no_steps,
    trace,
    unfinished,
    where,
)
from jaxspeech.search.transducer_predictions import first_predictions, predict_emitting, predicted_at, unused


def transducer_beam(
    predict: Predict,
    joint: JointFunction,
    encoded: Float[Any, "B T J"],
    num_frames: Int[Any, " B"],
    state: GreedyState,
    *,
    blank_id: int,
    durations: tuple[int, ...] = (),
    big_blank_durations: tuple[int, ...] = (),
    max_symbols: int | None = 10,
    beam_size: int = 4,
    num_best: int = 1,
    normalize: bool = True,
    fusion: Fusion | None = None,
    rules: Rules = DEFAULT_RULES,
    end_scores: bool = True,
) -> list[Tokens]:
    """Finds the best hypotheses of each utterance, the best first.

        state = greedy_start(predict, prediction_network.initial_state(batch_size), start_id=vocab_size)
        (tokens,) = transducer_beam(predict, joint, encoded, num_frames, state, blank_id=vocab_size)

    Call it under `jax.jit`, as `transducer_greedy`, whose arguments it shares.

    Args:
      predict, joint, encoded, num_frames, blank_id, durations, big_blank_durations, max_symbols: as there, except that
        `predict` and `joint` are called with B x beam_size rows.
      state: from `greedy_start`, with the same fusion.
      beam_size: K, hypotheses per utterance.
      num_best: hypotheses to return, at most K.
      normalize: rank by score / (number of tokens + 1) instead of the score (Graves, 2012), because the total
        probability favours short hypotheses.
      fusion: models whose scores are added.
      rules: how they count; with `Rules("late", "lm_weighted_full")` and `fusion.weight` = sum_i w_i over all models,
        phrases too, and without `end_scores`, as in NeMo.
      end_scores: whether the texts are scored as complete. Wrong for audio that was cut within a sentence.

    Returns:
      One `Tokens` for each rank, N = T x max_symbols. `score` is the log-probability, blanks included, with the models'
      scores; -inf for ranks beyond the hypotheses in the beam. `confidence` is each token's acoustic probability when
      it was added; frames are those of the best alignment.

    Raises:
      ConfigError: as `transducer_greedy`; num_best is not between 1 and beam_size; or there is no such rule.
    """
    if not 1 <= num_best <= beam_size:
        raise ConfigError(
            f"num_best={num_best} with beam_size={beam_size}: num_best must be at least 1 and at most beam_size"
        )
    per_frame = tokens_per_frame(max_symbols, durations)
    check_started(state, fusion)
    check_rules(rules)
    extensions = partial(
        expand,
        blank_id=blank_id,
        durations=durations,
        big_blank_durations=big_blank_durations,
        beam_size=beam_size,
        fusion=fusion,
        rules=rules,
    )
    vocab_size = blank_id - len(big_blank_durations)
    batch_size, size, _ = encoded.shape
    encoded = jnp.asarray(encoded)
    num_frames = jnp.asarray(num_frames).astype(jnp.int32)[:, None]
    row = jnp.arange(batch_size)[:, None]

    def step(loop: Loop) -> Loop:
        beam = loop.beam
        active = unfinished(beam, num_frames)
        frames = encoded[row, jnp.minimum(beam.time, size - 1)]
        logits = joint(flat(frames), flat(predicted_at(loop.predictions, beam.place))).astype(jnp.float32)
        full = beam.in_frame >= per_frame
        candidates = extensions(logits, beam.score, active=active, full=full, states=beam.fusion)

        score, best = jax.lax.top_k(last_two(candidates.score), beam_size)
        parent = (best // candidates.score.shape[-1]).astype(jnp.int32)
        symbol, jump, log_prob = (last_two(x)[row, best] for x in candidates[1:])
        extended = active[row, parent]
        emits = extended & (symbol < vocab_size)
        jump = jnp.where(extended, jump, 0)

        start = beam.time[row, parent]
        time = jnp.minimum(start + jump, num_frames)
        end = start + (jump if durations else 1)
        step = Step(parent, jnp.where(emits, symbol, -1), start, end, log_prob)
        hashes = beam.hashes[row, parent]
        factors = jnp.array(HASH_FACTORS, jnp.uint32)
        added = hashes * factors + (symbol[..., None] + 1).astype(jnp.uint32)
        in_frame = jnp.where(jump > 0, 0, beam.in_frame[row, parent] + emits)
        before = beam.place[row, parent]
        place = jnp.where(emits, unused(beam.place), before)
        beam = Beam(
            score=score,
            time=time,
            in_frame=in_frame,
            num_tokens=beam.num_tokens[row, parent] + emits,
            hashes=jnp.where(emits[..., None], added, hashes),
            place=place,
            fusion=jax.tree.map(lambda x: x[row, parent], beam.fusion),
        )
        beam = beam._replace(score=merged_scores(beam))
        tokens = jnp.where(emits, symbol, 0)
        alive = emits & (beam.score > -jnp.inf)
        predictions = predict_emitting(predict, loop.predictions, state.prediction, alive, tokens, before, place)
        if fusion is not None:
            longer = fusion.extend(beam.fusion, tokens)
            beam = beam._replace(fusion=where(emits, longer, beam.fusion))
        put = partial(jax.lax.dynamic_update_index_in_dim, index=loop.num_steps, axis=0)
        return Loop(beam, predictions, jax.tree.map(put, loop.steps, step), loop.num_steps + 1)

    loop = Loop(
        beam=first_hypotheses(state, beam_size, num_frames),
        predictions=first_predictions(state.predicted, state.prediction, beam_size),
        steps=no_steps(size * (per_frame + 1), batch_size, beam_size),
        num_steps=jnp.int32(0),
    )
    loop = jax.lax.while_loop(lambda loop: unfinished(loop.beam, num_frames).any(), step, loop)

    beam = loop.beam
    if fusion is not None and end_scores:
        beam = beam._replace(score=beam.score + fusion.end(beam.fusion))
        loop = loop._replace(beam=beam)
    rank = beam.score / (beam.num_tokens + 1) if normalize else beam.score
    tokens = trace(loop, jax.lax.top_k(rank, num_best)[1], size * per_frame)
    first_frame = state.frames[:, None, None]
    tokens = tokens._replace(
        num_tokens=jnp.where(tokens.score > -jnp.inf, tokens.num_tokens, 0),
        starts=tokens.starts + first_frame,
        ends=tokens.ends + first_frame,
    )
    return [Tokens(*(field[:, place] for field in tokens)) for place in range(num_best)]
