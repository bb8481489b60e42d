"""Greedy search and sampling for attention decoders: one token after another until each text has ended.

y_u = argmax_v log p(v | y_1 .. y_{u-1}, audio)             or a draw from softmax(log_probs / temperature)

With fused models (`search.attention_fusion`) their scores are added before a token is chosen.

All rows run in one loop; a row whose text has ended stays as it is, so its result does not depend on the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.attention_fusion import all_continuations, best_continuations
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.loops import Runs, add_token, in_loop, start_runs
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
    logits: Float[Array, "B W"]
    runs: Runs | None
    state: Any
    fusion: Any  # the fused models' state


def attention_greedy(
    step: Step,
    logits: Float[Array, "B W"],
    state: Any,
    *,
    end_id: int,
    vocab_size: int | None = None,
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
    least_tokens: int = 0,
    most_repeats: Int[Any, " B"] | None = None,
    temperature: Float[Any, " B"] | None = None,
    keys: Any = None,
    fusion: Fusion | None = None,
) -> Tokens:
    """Finds one text for each row.

    Args:
      step: adds one token to each row, as rows of one hypothesis.
      logits: of the first token.
      state: before it.
      end_id: the token that ends a text, and is not part of it.
      vocab_size: V; further logits stand for no token, but have a share of the probability. None: W.
      most_tokens: N, where every text is cut.
      limits: where the text of each row is cut, at most N.
      least_tokens: no text ends before it has as many tokens.
      most_repeats: stops a text whose end was repeated so often, see `search.loops`; the repetitions remain in it.
      temperature: above 0, at which tokens are drawn; None takes the most probable ones.
      keys: for drawing, one for each row, whose text depends on no other row.
      fusion: models whose scores are added.

    Returns:
      The tokens without an end; `score` is the log-probability of the text with its end, with the models' scores. There
      are no frames: starts and ends are 0.
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
        runs=None if most_repeats is None else start_runs((b,)),
        state=state,
        fusion=None if fusion is None else fusion.state,
    )

    def choose(log_probs: Array, count: Array) -> Array:
        if temperature is None:
            return jnp.argmax(log_probs, axis=-1).astype(jnp.int32)
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, count)
        drawn = jax.vmap(jax.random.categorical)(own, log_probs / jnp.asarray(temperature)[:, None])
        return drawn.astype(jnp.int32)

    def body(loop: _Loop) -> _Loop:
        log_probs = jax.nn.log_softmax(loop.logits)
        log_probs = of_tokens(log_probs, loop.count, end_id=end_id, vocab_size=vocab_size, least_tokens=least_tokens)
        if fusion is None:
            best, added = choose(log_probs, loop.count), None
            chosen = jnp.take_along_axis(log_probs, best[:, None], axis=1)[:, 0]
        else:
            if temperature is None:
                texts = {"vocab_size": vocab_size, "needed": ~loop.done}
                likely = best_continuations(fusion, loop.fusion, log_probs, count=1, end_id=end_id, **texts)
            else:
                likely = all_continuations(fusion, loop.fusion, log_probs, end_id=end_id)
            place = choose(likely.log_probs + likely.added, loop.count)[:, None]
            best, chosen, added = (jnp.take_along_axis(x, place, axis=1)[:, 0] for x in likely)
        ended = best == end_id
        emitted = ~loop.done & ~ended
        lengths = loop.lengths + emitted
        done, runs = loop.done | ended | (lengths >= limits), None
        if loop.runs is not None and most_repeats is not None:
            runs = add_token(loop.runs, best)
            done = done | in_loop(runs, most_repeats)
        logits, state = step(best[:, None], loop.state)
        longer = None if fusion is None else fusion.extend(loop.fusion, jnp.where(ended, 0, best))
        return _Loop(
            count=loop.count + 1,
            ids=loop.ids.at[:, loop.count].set(jnp.where(emitted, best, 0)),
            probs=loop.probs.at[:, loop.count].set(jnp.where(emitted, jnp.exp(chosen), 0)),
            lengths=lengths,
            score=loop.score + jnp.where(loop.done, 0, chosen if added is None else chosen + added),
            done=done,
            logits=logits[:, 0].astype(jnp.float32),
            runs=runs,
            state=state,
            fusion=longer,
        )

    end = jax.lax.while_loop(lambda loop: (loop.count < most_tokens) & ~loop.done.all(), body, begin)
    none = jnp.zeros_like(end.ids)
    return Tokens(end.ids, end.lengths, none, none, end.probs, end.score)


def of_tokens(
    log_probs: Float[Array, "*rows W"],
    count: Int[Array, ""],
    *,
    end_id: int,
    vocab_size: int | None,
    least_tokens: int,
) -> Float[Array, "*rows W"]:
    """Returns the log-probabilities of what may be chosen: tokens, and the end of texts of `least_tokens` or more.

    Args:
      log_probs: of the token after `count` tokens.
      count: the same for all rows.
      end_id, vocab_size, least_tokens: as in `attention_greedy`.
    """
    place = jnp.arange(log_probs.shape[-1])
    barred = (place == end_id) & (count < least_tokens)
    if vocab_size is not None:
        barred = barred | (place >= vocab_size)
    return jnp.where(barred, -jnp.inf, log_probs)
