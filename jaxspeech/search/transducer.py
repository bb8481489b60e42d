"""Greedy transducer search for RNN-T, TDT and multi-blank models, by label looping.

At frame t the most probable symbol is emitted. A token advances the prediction network, and t advances by a number of
frames that depends on the model:

    RNN-T         token 0    blank 1
    multi-blank   token 0    blank 1, big blank its duration
    TDT           token d    blank max(d, 1)         d = the most probable duration

After `max_symbols` tokens in one frame, t advances by one, as after a blank.

One iteration of the loop finds the next token of every row, each at its own frame: the joint is computed for the
current prediction and a window of frames in one product, the blanks in the window are followed to the first token, and
the prediction network advances once for all rows. So the number of iterations is about the number of tokens of the
longest row, not its frames.

With fused models the acoustics decide whether a blank follows, and the duration; which token a token is, the sum of its
logit and of the models' scores. So a model changes what is heard, and hardly where or how much.

Source: Bataev et al., "Label-Looping: Highly Efficient Decoding for Transducers" (SLT 2024).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.frame_jumps import frame_jumps, tokens_per_frame
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.shortlist import best_tokens
from jaxspeech.search.tokens import Tokens
from jaxspeech.types import Size

# predict(labels [B], state) -> (predicted [B J], state): one step of the prediction network, projected to width J.
Predict = Callable[[Any, Any], tuple[Any, Any]]
# joint(encoded [... J], predicted [... J]) -> logits [... W]; leading axes broadcast.
JointFunction = Callable[[Any, Any], Any]


class GreedyState(NamedTuple):
    """The state of a search after some frames of its utterances, from which the next chunk continues.

    Attributes:
      predicted: the prediction network's output after the last token, projected to the joint's width.
      prediction: the prediction network's state after the last token, B leading in every leaf.
      skip: frames at the start of the next chunk that the last duration has already covered.
      frames: frames decoded so far, from which the `starts` and `ends` of the next chunk count.
      fusion: the fused models' state after the last token; None without models.
    """

    predicted: Float[Any, "B J"]
    prediction: Any
    skip: Int[Any, " B"]
    frames: Int[Any, " B"]
    fusion: Any = None


def greedy_start(predict: Predict, prediction: Any, *, start_id: int, fusion: Fusion | None = None) -> GreedyState:
    """Returns the state before the first frame: that after the start symbol.

    Args:
      predict: as in `transducer_greedy`.
      prediction: the prediction network's initial state, B leading in every leaf.
      start_id: the start symbol; V in this package's prediction networks.
      fusion: the models of the search that starts.
    """
    batch_size = jax.tree.leaves(prediction)[0].shape[0]
    zeros = jnp.zeros(batch_size, jnp.int32)
    predicted, prediction = predict(jnp.full(batch_size, start_id, jnp.int32), prediction)
    return GreedyState(predicted, prediction, skip=zeros, frames=zeros, fusion=None if fusion is None else fusion.state)


def check_started(state: GreedyState, fusion: Fusion | None) -> None:
    """Raises ConfigError if a state was not started with the models of the search, or started with some it lacks."""
    if (state.fusion is None) != (fusion is None):
        raise ConfigError("greedy_start and the search that continues its state take the same fusion, or none")


def probability(log_probs: Float[Any, "B W"]) -> Float[Array, " B"]:
    """Returns the most probable symbol's probability."""
    return jnp.exp(log_probs.max(-1))


def transducer_greedy(
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
    confidence: Callable[[Any], Any] = probability,
    window: int = 4,
    fusion: Fusion | None = None,
) -> tuple[Tokens, GreedyState]:
    """Finds the greedy tokens of each utterance, or of its next chunk, and returns them with the state after it.

        state = greedy_start(predict, prediction_network.initial_state(batch_size), start_id=vocab_size)
        tokens, state = transducer_greedy(predict, joint, encoded, num_frames, state, blank_id=vocab_size)

    Call it under `jax.jit`: `predict` and `joint` are closures over the parameters. Decoding chunks in sequence, each
    with the state that the previous one returned, gives the tokens of the whole utterance.

    Args:
      predict: predict(labels [B], prediction) -> (predicted [B J], prediction).
      joint: joint(encoded [B F J], predicted [B 1 J]) -> logits [B F W], W = blank_id + 1 + the number of durations.
      encoded: encoder frames projected to the joint's width; padding may hold anything.
      num_frames: real frames of each row; 0 leaves the row unchanged.
      state: from `greedy_start`, or from the previous chunk.
      blank_id: index of the standard blank; tokens come before it, durations after it.
      durations: frames of each of TDT's duration logits; empty for RNN-T.
      big_blank_durations: for multi-blank; big blank i is at blank_id - 1 - i.
      max_symbols: maximum number of tokens per frame. None (no limit) is allowed only if every token advances (TDT
        without duration 0), because a model may always prefer a token to the blank.
      confidence: log-probabilities of the W - D symbols, [B W-D] -> [B], for each token's confidence; for the measures
        of `search.confidence`, a `functools.partial` of `frame_confidence`.
      window: frames per iteration.
      fusion: models that choose among the tokens; the same with which the state started.

    Returns:
      Tokens: N = T x max_symbols, the largest possible number. A token ends one frame after it starts (RNN-T) or after
      its duration (TDT, where that may be 0). `score` sums the tokens' log-softmax over all W logits, durations
      included, as NeMo's does on a CPU, and the models' scores; blanks do not count. The confidences are acoustic.

    Raises:
      ConfigError: max_symbols is not positive, or None where the search might not end; logits of the wrong width.
    """
    per_frame = tokens_per_frame(max_symbols, durations)
    check_started(state, fusion)
    jumps = partial(frame_jumps, blank_id=blank_id, durations=durations, big_blank_durations=big_blank_durations)

    batch_size, num_padded, _ = encoded.shape
    row = jnp.arange(batch_size)
    num_frames = jnp.asarray(num_frames).astype(jnp.int32)
    # The last window may extend beyond the frames.
    padded = jnp.pad(jnp.asarray(encoded), ((0, 0), (0, window), (0, 0)))
    look = jax.vmap(partial(jax.lax.dynamic_slice_in_dim, slice_size=window))

    def unfinished(loop: _Loop) -> Bool[Array, ""]:
        return (loop.time < num_frames).any()

    def next_token(loop: _Loop) -> _Loop:
        logits = joint(look(padded, loop.time), loop.predicted[:, None])
        is_blank, blank_jump, token_jump = jumps(logits)
        ahead = _follow(is_blank, blank_jump, num_frames - loop.time)
        found = (ahead < window) & (loop.time + ahead < num_frames)
        time = loop.time + ahead

        # The logits at the token's frame; rows without a token read some frame and discard it.
        place = jnp.minimum(ahead, window - 1)
        chosen, jump = logits[row, place].astype(jnp.float32), token_jump[row, place]
        of_tokens = chosen[:, : blank_id - len(big_blank_durations)]
        if fusion is None:
            label = _argmax(of_tokens)
            log_prob = chosen[row, label] - jax.nn.logsumexp(chosen, axis=-1)
        else:
            best = best_tokens(fusion, loop.fusion, of_tokens, count=1, needed=found)
            label, log_prob = best.tokens[:, 0], best.scores[:, 0] - jax.nn.logsumexp(chosen, axis=-1)
        sure = confidence(jax.nn.log_softmax(chosen[:, : blank_id + 1], axis=-1))

        column = jnp.where(found, loop.tokens.num_tokens, loop.tokens.ids.shape[1])  # out of range: dropped
        start = loop.first_frame + time
        put = partial(_put, row=row, column=column)
        tokens = Tokens(
            ids=put(loop.tokens.ids, label),
            num_tokens=loop.tokens.num_tokens + found,
            starts=put(loop.tokens.starts, start),
            ends=put(loop.tokens.ends, start + (jump if durations else 1)),
            confidence=put(loop.tokens.confidence, sure),
            score=loop.tokens.score + jnp.where(found, log_prob, 0),
        )
        in_frame = jnp.where(ahead > 0, 0, loop.in_frame) + found
        leave = found & (jump == 0) & (in_frame >= per_frame)
        move = jnp.where(found, jump, 0) + leave
        predicted, prediction = jax.lax.cond(
            found.any(),
            lambda: _where(found, predict(label, loop.prediction), (loop.predicted, loop.prediction)),
            lambda: (loop.predicted, loop.prediction),
        )
        fused = loop.fusion if fusion is None else _where(found, fusion.extend(loop.fusion, label), loop.fusion)
        in_frame = jnp.where(move > 0, 0, in_frame)
        return loop._replace(
            predicted=predicted,
            prediction=prediction,
            time=time + move,
            in_frame=in_frame,
            tokens=tokens,
            fusion=fused,
        )

    loop = _Loop(
        predicted=state.predicted,
        prediction=state.prediction,
        time=state.skip,
        in_frame=jnp.zeros(batch_size, jnp.int32),
        first_frame=state.frames,
        tokens=_no_tokens(batch_size, per_frame * num_padded),
        fusion=state.fusion,
    )
    loop = jax.lax.while_loop(unfinished, next_token, loop)
    skip, frames = loop.time - num_frames, state.frames + num_frames
    return loop.tokens, GreedyState(loop.predicted, loop.prediction, skip, frames, loop.fusion)


class _Loop(NamedTuple):
    """The loop's state; `time` is each row's current frame, `in_frame` the number of tokens in it so far."""

    predicted: Float[Any, "B J"]
    prediction: Any
    time: Int[Any, " B"]
    in_frame: Int[Any, " B"]
    first_frame: Int[Any, " B"]
    tokens: Tokens
    fusion: Any


def _follow(is_blank: Bool[Any, "B F"], jump: Int[Any, "B F"], num_left: Int[Any, " B"]) -> Int[Array, " B"]:
    """Returns by how many frames the blanks advance from the first frame of the window.

    They end at the first token, beyond the window, or beyond the `num_left` remaining frames.
    """
    ahead = jnp.zeros(is_blank.shape[0], jnp.int32)
    for frame in range(is_blank.shape[1]):
        here = (ahead == frame) & is_blank[:, frame] & (frame < num_left)
        ahead += jnp.where(here, jump[:, frame], 0)
    return ahead


def _argmax(x: Float[Array, "B V"]) -> Int[Array, " B"]:
    """Computes argmax of each row in three vectorised passes; XLA's own argmax is a slow scalar loop on a CPU."""
    place = jnp.arange(x.shape[-1], dtype=jnp.int32)
    return jnp.where(x == x.max(-1, keepdims=True), place, x.shape[-1] - 1).min(-1)


def _put(
    buffer: Array,
    values: Array,
    *,
    row: Int[Array, " B"],
    column: Int[Array, " B"],
) -> Array:
    """Sets one value per row of `buffer` [B N] in the given column; a column out of range drops it."""
    return buffer.at[row, column].set(values.astype(buffer.dtype), mode="drop", unique_indices=True)


def _where(condition: Bool[Array, " B"], new: Any, old: Any) -> Any:
    """Selects rows of `new` where the condition holds and rows of `old` elsewhere, in every leaf of a tree."""
    return jax.tree.map(lambda n, o: jnp.where(condition.reshape(-1, *[1] * (n.ndim - 1)), n, o), new, old)


def _no_tokens(batch_size: Size, size: Size) -> Tokens:
    ids = jnp.zeros((batch_size, size), jnp.int32)
    return Tokens(
        ids=ids,
        num_tokens=jnp.zeros(batch_size, jnp.int32),
        starts=ids,
        ends=ids,
        confidence=jnp.zeros((batch_size, size), jnp.float32),
        score=jnp.zeros(batch_size, jnp.float32),
    )
