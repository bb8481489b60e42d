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

from jaxspeech.search.loops import Runs, add_token, in_loop, start_runs

Policy = Literal["alignatt", "waitk"]

# (ids [B], state) -> (logits of the next token [B V], weights of the frames with which it is predicted [B T], state)
WatchedStep = Callable[[Any, Any], tuple[Any, Any, Any]]
# After its first occurrence, an n-gram at the end of a text is repeated fewer times (`search.loops`).
MOST_REPEATS = 3


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
      runs: of the text; those of an empty one where it was stopped because it repeats itself.
    """

    ids: Int[Array, "B N"]
    num_tokens: Int[Array, " B"]
    frames: Int[Array, "B N"]
    probs: Float[Array, "B N"]
    score: Float[Array, " B"]
    runs: Runs


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
    runs: Runs,
    earlier: Int[Any, " B"],
    end_id: int,
    vocab_size: int,
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
      runs: of its text.
      earlier: tokens of its text so far.
      end_id: the token that ends a text.
      vocab_size: outputs after these stand for no token.
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
        runs=runs,
    )

    def body(loop: _Loop) -> _Loop:
        written = loop.written
        logits, weights, state = step(loop.last, loop.state)
        log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))
        too_early = jnp.asarray(earlier) + written.num_tokens < least_tokens
        token = jnp.arange(logits.shape[1])
        never = ((token == end_id) & too_early[:, None]) | (token >= vocab_size)
        log_probs = jnp.where(never, -jnp.inf, log_probs)
        best = jnp.argmax(log_probs, axis=-1).astype(jnp.int32)
        chosen = jnp.take_along_axis(log_probs, best[:, None], axis=1)[:, 0]
        place = jnp.arange(weights.shape[1])
        seen = (place >= sink[:, None]) & (place < heard[:, None])
        frame = jnp.argmax(jnp.where(seen, weights, -1.0), axis=1).astype(jnp.int32)
        allowed = heard - (frame + 1) >= rules.hold if rules.policy == "alignatt" else written.num_tokens < rules.tokens
        goes = loop.writes & (final | allowed)
        ends = best == end_id
        longer = add_token(written.runs, best)
        loops = in_loop(longer, jnp.full(b, MOST_REPEATS))
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
                runs=_rows_of(adds, longer, _rows_of(goes & ~ends & loops, start_runs((b,)), written.runs)),
            ),
            state=state,
        )

    loop = _Loop(jnp.zeros((), jnp.int32), jnp.asarray(last), jnp.asarray(writes) & (limits > 0), begin, state)
    return jax.lax.while_loop(lambda loop: (loop.count < most_tokens) & loop.writes.any(), body, loop).written


def _rows_of(rows: Bool[Array, " B"], new: Runs, old: Runs) -> Runs:
    """Takes the rows of `new` where `rows` is true, else those of `old`."""
    return Runs(*(jnp.where(rows[:, None], x, y) for x, y in zip(new, old, strict=True)))
