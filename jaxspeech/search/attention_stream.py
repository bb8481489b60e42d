"""Greedy search of attention decoders in speech that is not over: when to write a token, and when to wait for more.

AlignAtt    the token is written if the frame that the decoder attends to most when it predicts the token is at least
            `hold` frames before the end of what was heard                        Papi et al. (Interspeech 2023)
wait-k      at first k chunks are heard, then n tokens are written for each chunk  Ma et al. (ACL 2019)

When the speech is over the text is completed, as in `search.attention`. A text that repeats itself is stopped.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Policy = Literal["alignatt", "waitk"]

# (ids [B], state) -> (logits of the next token [B V], weights of the frames with which it is predicted [B T], state)
WatchedStep = Callable[[Any, Any], tuple[Any, Any, Any]]
# (tokens that repeat, how often they must be there): a text that ends like this is stopped.
LOOPS = ((1, 8), (2, 6), (3, 5), (4, 4), (5, 4))
# The last tokens of a text, which show whether it repeats itself.
RECENT = max(size * times for size, times in LOOPS)
NO_TOKEN = -1


class Rules(NamedTuple):
    """When a token is written.

    Attributes:
      policy: "alignatt" or "waitk".
      wait: k, the chunks that are heard before the first token, with either policy.
      tokens: n, the most tokens that wait-k writes for a chunk.
      hold: of AlignAtt, in frames.
      sink: the first frames of a recording, to which a decoder attends without reason, do not count for AlignAtt.
    """

    policy: Policy = "alignatt"
    wait: int = 2
    tokens: int = 1
    hold: int = 8
    sink: int = 8


class Written(NamedTuple):
    """The tokens that one step has written for each row.

    Attributes:
      ids, num_tokens: the tokens, without an end.
      frames: the frame of the window that the decoder attended to most.
      probs: of each token.
      score: log-probability of the tokens, and of the end if the text is over.
      recent: the last tokens of the text; emptied where it was stopped because it repeats itself.
    """

    ids: Int[Array, "B N"]
    num_tokens: Int[Array, " B"]
    frames: Int[Array, "B N"]
    probs: Float[Array, "B N"]
    score: Float[Array, " B"]
    recent: Int[Array, "B R"]


class _Loop(NamedTuple):
    count: Int[Array, ""]
    last: Int[Array, " B"]
    writes: Bool[Array, " B"]
    written: Written
    state: Any


def write_tokens(
    step: WatchedStep,
    last: Int[Any, " B"],
    state: Any,
    *,
    rules: Rules,
    writes: Bool[Any, " B"],
    final: Bool[Any, " B"],
    moved: Bool[Any, " B"],
    heard: Int[Any, " B"],
    limits: Int[Any, " B"],
    recent: Int[Any, "B R"],
    earlier: Int[Any, " B"],
    end_id: int,
    most_tokens: int,
    least_tokens: int = 0,
) -> Written:
    """Writes the tokens of one step.

    Args:
      step: adds one token to each row.
      last: the last token of each row's prompt or text so far, which the state does not have yet.
      state: before it.
      rules: when a token is written.
      writes: whether a row writes at all in this step.
      final: whether its speech is over.
      moved: whether its frames do not begin with the recording.
      heard: its frames.
      limits: most tokens of each row in this step, at most `most_tokens`.
      recent: the last tokens of its text.
      earlier: tokens of its text so far.
      end_id: the token that ends a text.
      most_tokens: N.
      least_tokens: no text ends before it has as many tokens.
    """
    b = len(last)
    heard, limits = jnp.asarray(heard), jnp.minimum(jnp.asarray(limits), most_tokens)
    sink = jnp.where(moved, 0, jnp.where(heard <= rules.sink, heard // 2, rules.sink))
    empty = jnp.zeros((b, most_tokens), jnp.int32)
    begin = Written(
        ids=empty,
        num_tokens=jnp.zeros(b, jnp.int32),
        frames=empty,
        probs=jnp.zeros((b, most_tokens)),
        score=jnp.zeros(b),
        recent=jnp.asarray(recent),
    )

    def body(loop: _Loop) -> _Loop:
        written = loop.written
        logits, weights, state = step(loop.last, loop.state)
        log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
        too_early = jnp.asarray(earlier) + written.num_tokens < least_tokens
        log_probs = jnp.where((jnp.arange(logits.shape[1]) == end_id) & too_early[:, None], -jnp.inf, log_probs)
        best = jnp.argmax(log_probs, axis=-1).astype(jnp.int32)
        chosen = jnp.take_along_axis(log_probs, best[:, None], axis=1)[:, 0]
        place = jnp.arange(weights.shape[1])
        seen = (place >= sink[:, None]) & (place < heard[:, None])
        frame = jnp.argmax(jnp.where(seen, weights, -1.0), axis=1).astype(jnp.int32)
        allowed = heard - (frame + 1) >= rules.hold if rules.policy == "alignatt" else written.num_tokens < rules.tokens
        goes = loop.writes & (final | allowed)
        ends = best == end_id
        longer = jnp.concatenate([written.recent[:, 1:], best[:, None]], axis=1)
        loops = repeats_itself(longer)
        adds = goes & ~ends & ~loops
        at = loop.count
        return _Loop(
            count=at + 1,
            last=jnp.where(adds, best, loop.last),
            writes=adds & (written.num_tokens + 1 < limits),
            written=Written(
                ids=written.ids.at[:, at].set(jnp.where(adds, best, 0)),
                num_tokens=written.num_tokens + adds,
                frames=written.frames.at[:, at].set(jnp.where(adds, frame, 0)),
                probs=written.probs.at[:, at].set(jnp.where(adds, jnp.exp(chosen), 0)),
                score=written.score + jnp.where(adds | (goes & ends & final), chosen, 0),
                # After a loop the next step may try again: what was said so often may have been said.
                recent=jnp.where(adds[:, None], longer, jnp.where((goes & loops)[:, None], NO_TOKEN, written.recent)),
            ),
            state=state,
        )

    loop = _Loop(jnp.zeros((), jnp.int32), jnp.asarray(last), jnp.asarray(writes) & (limits > 0), begin, state)
    return jax.lax.while_loop(lambda loop: (loop.count < most_tokens) & loop.writes.any(), body, loop).written


def repeats_itself(recent: Int[Array, "B R"]) -> Bool[Array, " B"]:
    """Whether the last tokens of each text are a few that are there again and again."""
    found = jnp.zeros(len(recent), bool)
    for size, times in LOOPS:
        tail = recent[:, -size * times :]
        found |= (tail[:, size:] == tail[:, :-size]).all(1) & (tail != NO_TOKEN).all(1)
    return found
