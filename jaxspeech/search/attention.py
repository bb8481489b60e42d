"""Greedy search and sampling for attention decoders: one token after another until each text has ended.

y_u = argmax_v log p(v | y_1 .. y_{u-1}, audio)             or a draw from softmax(log_probs / temperature)

All rows run in one loop; a row whose text has ended stays as it is, so its result does not depend on the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.tokens import Tokens

# (ids [B L], state) -> (logits of the next token [B L V], state)
Step = Callable[[Any, Any], tuple[Any, Any]]


class _Loop(NamedTuple):
    """The texts so far; `ids` and `probs` have room for N tokens."""

    count: Int[Array, ""]
    ids: Int[Array, "B N"]
    probs: Float[Array, "B N"]
    lengths: Int[Array, " B"]
    score: Float[Array, " B"]
    done: Bool[Array, " B"]
    logits: Float[Array, "B V"]
    state: Any


def attention_greedy(
    step: Step,
    logits: Float[Array, "B V"],
    state: Any,
    *,
    end_id: int,
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
    least_tokens: int = 0,
    temperature: float = 0.0,
    key: Any = None,
) -> Tokens:
    """Finds one text for each row.

    Args:
      step: adds one token to each row, as rows of one hypothesis.
      logits: of the first token.
      state: before it.
      end_id: the token that ends a text, and is not part of it.
      most_tokens: N, where every text is cut.
      limits: where the text of each row is cut, at most N.
      least_tokens: no text ends before it has as many tokens.
      temperature: 0 takes the most probable token, above it a token is drawn.
      key: for drawing.

    Returns:
      The tokens without an end; `score` is the log-probability of the text with its end. There are no frames: starts
      and ends are 0.
    """
    b = logits.shape[0]
    limits = jnp.full(b, most_tokens) if limits is None else jnp.minimum(jnp.asarray(limits), most_tokens)
    begin = _Loop(
        count=jnp.zeros((), jnp.int32),
        ids=jnp.zeros((b, most_tokens), jnp.int32),
        probs=jnp.zeros((b, most_tokens)),
        lengths=jnp.zeros(b, jnp.int32),
        score=jnp.zeros(b),
        done=limits <= 0,
        logits=logits.astype(jnp.float32),
        state=state,
    )

    def body(loop: _Loop) -> _Loop:
        log_probs = jax.nn.log_softmax(loop.logits)
        log_probs = without_early_end(log_probs, loop.count, end_id=end_id, least_tokens=least_tokens)
        best = jnp.argmax(log_probs, axis=-1).astype(jnp.int32)
        if temperature > 0:
            drawn = jax.random.categorical(jax.random.fold_in(key, loop.count), log_probs / temperature)
            best = drawn.astype(jnp.int32)
        chosen = jnp.take_along_axis(log_probs, best[:, None], axis=1)[:, 0]
        ended = best == end_id
        emitted = ~loop.done & ~ended
        lengths = loop.lengths + emitted
        logits, state = step(best[:, None], loop.state)
        return _Loop(
            count=loop.count + 1,
            ids=loop.ids.at[:, loop.count].set(jnp.where(emitted, best, 0)),
            probs=loop.probs.at[:, loop.count].set(jnp.where(emitted, jnp.exp(chosen), 0)),
            lengths=lengths,
            score=loop.score + jnp.where(loop.done, 0, chosen),
            done=loop.done | ended | (lengths >= limits),
            logits=logits[:, 0].astype(jnp.float32),
            state=state,
        )

    end = jax.lax.while_loop(lambda loop: (loop.count < most_tokens) & ~loop.done.all(), body, begin)
    none = jnp.zeros_like(end.ids)
    return Tokens(end.ids, end.lengths, none, none, end.probs, end.score)


def without_early_end(
    log_probs: Float[Array, "*rows V"], count: Int[Array, ""], *, end_id: int, least_tokens: int
) -> Float[Array, "*rows V"]:
    """Returns the log-probabilities with which no text ends before it has `least_tokens` tokens; it has `count`."""
    too_early = (jnp.arange(log_probs.shape[-1]) == end_id) & (count < least_tokens)
    return jnp.where(too_early, -jnp.inf, log_probs)
