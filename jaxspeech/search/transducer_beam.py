"""Beam search for transducers (RNN-T, TDT and multi-blank), over all utterances and hypotheses in one loop.

Every iteration extends each of the K hypotheses of each utterance by one symbol (alignment-length synchronous). So all
hypotheses of an iteration have the same number of symbols, blanks included, and may be at different frames:

    candidates   (hypothesis, symbol[, duration]),  score + log p(symbol) [+ log p(duration)]
    prune        keep the K best of an utterance; a finished hypothesis (no frames left) stays as it is
    merge        hypotheses with equal tokens at the same frame (or finished) become one, log(e^a + e^b)

A blank advances by frames as in `search.transducer`. A hypothesis with `max_symbols` tokens in one frame can only be
extended by a blank. The score of a hypothesis is the total log-probability of its alignments that stayed in the beam;
if none was pruned, it is the model's log p(tokens).

Source: Saon et al., "Alignment-Length Synchronous Decoding for RNN Transducer" (ICASSP 2020), with candidates pruned
per hypothesis first; NeMo's `malsd_batch`.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from jaxspeech.errors import ConfigError
from jaxspeech.search.tokens import Tokens
from jaxspeech.search.transducer import GreedyState, JointFunction, Predict, tokens_per_frame

# Two polynomial hashes modulo 2^32 identify token sequences; the probability of a collision is 2^-64.
_HASH_FACTORS = (1000003, 2654435761)


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
) -> list[Tokens]:
    """Finds the best hypotheses of each utterance, the best first.

        state = greedy_start(predict, prediction_network.initial_state(batch_size), start_id=vocab_size)
        (tokens,) = transducer_beam(predict, joint, encoded, num_frames, state, blank_id=vocab_size)

    Call it under `jax.jit`, as `transducer_greedy`, whose arguments it shares.

    Args:
      predict, joint, encoded, num_frames, blank_id, durations, big_blank_durations, max_symbols: as there, except that
        `predict` and `joint` are called with B x beam_size rows.
      state: from `greedy_start`.
      beam_size: K, hypotheses per utterance.
      num_best: hypotheses to return, at most K.
      normalize: rank by score / (number of tokens + 1) instead of the score (Graves, 2012), because the total
        probability favours short hypotheses.

    Returns:
      One `Tokens` for each rank, N = T x max_symbols. `score` is the log-probability, blanks included; -inf for ranks
      beyond the hypotheses in the beam. `confidence` is each token's probability when it was added; frames are those of
      the best alignment.

    Raises:
      ConfigError: as `transducer_greedy`; or num_best is not between 1 and beam_size.
    """
    if not 1 <= num_best <= beam_size:
        raise ConfigError(
            f"num_best={num_best} with beam_size={beam_size}: num_best must be at least 1 and at most beam_size"
        )
    per_frame = tokens_per_frame(max_symbols, durations)
    expand = partial(
        _expand, blank_id=blank_id, durations=durations, big_blank_durations=big_blank_durations, beam_size=beam_size
    )
    vocab_size = blank_id - len(big_blank_durations)
    batch_size, size, _ = encoded.shape
    encoded = jnp.asarray(encoded)
    num_frames = jnp.asarray(num_frames).astype(jnp.int32)[:, None]
    row = jnp.arange(batch_size)[:, None]

    def step(loop: _Loop) -> _Loop:
        beam = loop.beam
        active = _active(beam, num_frames)
        frames = encoded[row, jnp.minimum(beam.time, size - 1)]
        logits = joint(_flat(frames), _flat(beam.predicted)).astype(jnp.float32)
        candidates = expand(_unflat(logits, beam_size), beam.in_frame >= per_frame)

        # A finished hypothesis is its own only candidate, in the first place, whatever the padding holds.
        stay = jnp.where(jnp.arange(candidates.score.shape[-1]) == 0, 0, -jnp.inf)
        gain = jnp.where(active[..., None], candidates.score, stay)
        score, best = jax.lax.top_k(_last_two(beam.score[..., None] + gain), beam_size)
        parent = (best // gain.shape[-1]).astype(jnp.int32)
        symbol, jump, log_prob = (_last_two(x)[row, best] for x in candidates[1:])
        extended = active[row, parent]
        emits = extended & (symbol < vocab_size)
        jump = jnp.where(extended, jump, 0)

        start = beam.time[row, parent]
        time = jnp.minimum(start + jump, num_frames)
        end = start + (jump if durations else 1)
        step = _Step(parent, jnp.where(emits, symbol, -1), start, end, log_prob)
        hashes = beam.hashes[row, parent]
        factors = jnp.array(_HASH_FACTORS, jnp.uint32)
        added = hashes * factors + (symbol[..., None] + 1).astype(jnp.uint32)
        in_frame = jnp.where(jump > 0, 0, beam.in_frame[row, parent] + emits)
        beam = _Beam(
            score=score,
            time=time,
            in_frame=in_frame,
            num_tokens=beam.num_tokens[row, parent] + emits,
            hashes=jnp.where(emits[..., None], added, hashes),
            predicted=beam.predicted[row, parent],
            prediction=jax.tree.map(lambda x: x[row, parent], beam.prediction),
        )
        beam = beam._replace(score=_merge(beam))
        predicted, prediction = predict(_flat(jnp.where(emits, symbol, 0)), jax.tree.map(_flat, beam.prediction))
        beam = beam._replace(
            predicted=_where(emits, _unflat(predicted, beam_size), beam.predicted),
            prediction=jax.tree.map(lambda n, o: _where(emits, _unflat(n, beam_size), o), prediction, beam.prediction),
        )
        put = partial(jax.lax.dynamic_update_index_in_dim, index=loop.num_steps, axis=0)
        return _Loop(beam, jax.tree.map(put, loop.steps, step), loop.num_steps + 1)

    loop = _Loop(
        beam=_first(state, beam_size, num_frames),
        steps=_no_steps(size * (per_frame + 1), batch_size, beam_size),
        num_steps=jnp.int32(0),
    )
    loop = jax.lax.while_loop(lambda loop: _active(loop.beam, num_frames).any(), step, loop)

    beam = loop.beam
    rank = beam.score / (beam.num_tokens + 1) if normalize else beam.score
    tokens = _trace(loop, jax.lax.top_k(rank, num_best)[1], size * per_frame)
    first_frame = state.frames[:, None, None]
    tokens = tokens._replace(
        num_tokens=jnp.where(tokens.score > -jnp.inf, tokens.num_tokens, 0),
        starts=tokens.starts + first_frame,
        ends=tokens.ends + first_frame,
    )
    return [Tokens(*(field[:, place] for field in tokens)) for place in range(num_best)]


class _Beam(NamedTuple):
    """The hypotheses; an empty slot has score -inf. `in_frame` is the number of tokens at the frame `time`."""

    score: Float[Any, "B K"]
    time: Int[Any, "B K"]
    in_frame: Int[Any, "B K"]
    num_tokens: Int[Any, "B K"]
    hashes: UInt[Any, "B K 2"]
    predicted: Float[Any, "B K J"]
    prediction: Any


class _Step(NamedTuple):
    """The effect of one iteration on each hypothesis: its parent's slot, and its new token (-1 for none)."""

    parent: Int[Any, "*steps B K"]
    label: Int[Any, "*steps B K"]
    start: Int[Any, "*steps B K"]
    end: Int[Any, "*steps B K"]
    log_prob: Float[Any, "*steps B K"]


class _Candidates(NamedTuple):
    """Candidate extensions of each hypothesis: log p, symbol, frames to advance, log p of the symbol alone."""

    score: Float[Any, "B K C"]
    symbol: Int[Any, "B K C"]
    jump: Int[Any, "B K C"]
    log_prob: Float[Any, "B K C"]


class _Loop(NamedTuple):
    beam: _Beam
    steps: _Step
    num_steps: Int[Any, ""]


def _first(state: GreedyState, beam_size: int, num_frames: Int[Any, "B 1"]) -> _Beam:
    """Returns the initial beam: one empty hypothesis, in the first slot."""
    zeros = jnp.zeros((len(num_frames), beam_size), jnp.int32)
    predicted, prediction = jax.tree.map(
        lambda x: jnp.repeat(x[:, None], beam_size, axis=1), (state.predicted, state.prediction)
    )
    return _Beam(
        score=jnp.where(jnp.arange(beam_size) == 0, 0, -jnp.inf) + jnp.zeros(zeros.shape, jnp.float32),
        time=jnp.minimum(state.skip[:, None], num_frames) + zeros,
        in_frame=zeros,
        num_tokens=zeros,
        hashes=jnp.zeros((*zeros.shape, len(_HASH_FACTORS)), jnp.uint32),
        predicted=predicted,
        prediction=prediction,
    )


def _no_steps(size: int, batch_size: int, beam_size: int) -> _Step:
    zeros = jnp.zeros((size, batch_size, beam_size), jnp.int32)
    return _Step(zeros, zeros, zeros, zeros, zeros.astype(jnp.float32))


def _active(beam: _Beam, num_frames: Int[Any, "B 1"]) -> Bool[Array, "B K"]:
    """Returns which slots hold an unfinished hypothesis."""
    return (beam.time < num_frames) & (beam.score > -jnp.inf)


def _expand(
    logits: Float[Any, "B K W"],
    full: Bool[Any, "B K"],
    *,
    blank_id: int,
    durations: tuple[int, ...],
    big_blank_durations: tuple[int, ...],
    beam_size: int,
) -> _Candidates:
    """Returns the best extensions of each hypothesis; only blanks if its frame has the maximum of tokens (`full`)."""
    vocab_size = blank_id - len(big_blank_durations)
    log_probs = jax.nn.log_softmax(logits[..., : blank_id + 1], axis=-1)
    log_probs = jnp.where(full[..., None] & (jnp.arange(blank_id + 1) < vocab_size), -jnp.inf, log_probs)
    score, symbol = jax.lax.top_k(log_probs, min(beam_size, blank_id + 1))
    if not durations:
        jumps = jnp.array((*[0] * vocab_size, *big_blank_durations[::-1], 1), jnp.int32)
        return _Candidates(score, symbol, jumps[symbol], score)

    of_duration = jax.nn.log_softmax(logits[..., blank_id + 1 :], axis=-1)
    score, symbol, of_duration, jump = jnp.broadcast_arrays(
        score[..., None], symbol[..., None], of_duration[..., None, :], jnp.array(durations, jnp.int32)
    )
    jump = jnp.where(symbol == blank_id, jnp.maximum(jump, 1), jump)
    return _Candidates(*map(_last_two, (score + of_duration, symbol, jump, score)))


def _merge(beam: _Beam) -> Float[Array, "B K"]:
    """Merges hypotheses with equal tokens and frame into the first of their slots (the best); returns the scores."""

    def equal(x: Array) -> Bool[Array, "B K K"]:
        return x[:, :, None] == x[:, None, :]

    same = equal(beam.time) & equal(beam.num_tokens) & equal(beam.hashes[..., 0]) & equal(beam.hashes[..., 1])
    earlier = jnp.tri(beam.score.shape[1], k=-1, dtype=bool)
    total = jax.nn.logsumexp(jnp.where(same, beam.score[:, None, :], -jnp.inf), axis=-1)
    return jnp.where((same & earlier).any(-1), -jnp.inf, total)


def _trace(loop: _Loop, best: Int[Any, "B M"], size: int) -> Tokens:
    """Traces the hypotheses in the slots `best` back to the first iteration; returns their tokens, [B M N] each."""
    row, rank = jnp.arange(best.shape[0])[:, None], jnp.arange(best.shape[1])
    num_tokens = loop.beam.num_tokens[row, best]

    def back(i: Any, carry: tuple[Any, Any, Tokens]) -> tuple[Any, Any, Tokens]:
        slot, place, tokens = carry
        step = jax.tree.map(lambda x: x[loop.num_steps - 1 - i][row, slot], loop.steps)
        emits = step.label >= 0
        place = place - emits
        column = jnp.where(emits, place, size)  # out of range: dropped

        def put(buffer: Array, values: Array) -> Array:
            return buffer.at[row, rank, column].set(values, mode="drop", unique_indices=True)

        tokens = tokens._replace(
            ids=put(tokens.ids, step.label),
            starts=put(tokens.starts, step.start),
            ends=put(tokens.ends, step.end),
            confidence=put(tokens.confidence, jnp.exp(step.log_prob)),
        )
        return step.parent, place, tokens

    empty = jnp.zeros((*best.shape, size), jnp.int32)
    tokens = Tokens(empty, num_tokens, empty, empty, empty.astype(jnp.float32), loop.beam.score[row, best])
    return jax.lax.fori_loop(0, loop.num_steps, back, (best, num_tokens, tokens))[2]


def _flat(x: Array) -> Array:
    """Reshapes [B K ...] -> [B*K ...]."""
    return x.reshape(-1, *x.shape[2:])


def _unflat(x: Array, beam_size: int) -> Array:
    """Reshapes [B*K ...] -> [B K ...]."""
    return x.reshape(-1, beam_size, *x.shape[1:])


def _last_two(x: Array) -> Array:
    """Reshapes [... M N] -> [... M*N]."""
    return x.reshape(*x.shape[:-2], -1)


def _where(condition: Bool[Array, "B K"], new: Array, old: Array) -> Array:
    return jnp.where(condition.reshape(*condition.shape, *[1] * (new.ndim - 2)), new, old)
