"""Greedy search and sampling for attention decoders: one token after another until each text has ended.

y_u = argmax_v log p(v | y_1 .. y_{u-1}, audio)             or a draw from softmax(log_probs / temperature)

With fused models (`search.attention_fusion`) their scores are added before a token is chosen.

The loop is `search.texts`: a row whose text has ended stays as it is, so its result does not depend on the others.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.search.attention_fusion import all_continuations, best_continuations
from jaxspeech.search.fusion import Fusion
from jaxspeech.search.loops import Runs, add_token, in_loop, start_runs
from jaxspeech.search.selection import draw, greedy
from jaxspeech.search.texts import Choice, Texts, extend_texts, start_texts, to_tokens
from jaxspeech.search.tokens import Tokens

# (ids [B L], state) -> (logits of the next token [B L V], state)
Step = Callable[[Any, Any], tuple[Any, Any]]


class _State(NamedTuple):
    """What the choice of a token depends on: the decoder's state, the ends of the texts, the fused models' state."""

    past: Any
    runs: Runs | None
    fusion: Any


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
    state = _State(
        past=state,
        runs=None if most_repeats is None else start_runs((logits.shape[0],)),
        fusion=None if fusion is None else fusion.state,
    )

    def choose(texts: Texts, logits: Array) -> Choice:
        log_probs = jax.nn.log_softmax(logits)
        log_probs = of_tokens(log_probs, texts.count, end_id=end_id, vocab_size=vocab_size, least_tokens=least_tokens)
        state: _State = texts.state
        if fusion is None:
            best, added = pick(log_probs, texts.count), None
            chosen = jnp.take_along_axis(log_probs, best[:, None], axis=1)[:, 0]
        else:
            if temperature is None:
                options = {"vocab_size": vocab_size, "needed": ~texts.done}
                likely = best_continuations(fusion, state.fusion, log_probs, count=1, end_id=end_id, **options)
            else:
                likely = all_continuations(fusion, state.fusion, log_probs, end_id=end_id)
            place = pick(likely.log_probs + likely.added, texts.count)[:, None]
            best, chosen, added = (jnp.take_along_axis(x, place, axis=1)[:, 0] for x in likely)
        cut = None
        if state.runs is not None and most_repeats is not None:
            runs = add_token(state.runs, best)
            state, cut = state._replace(runs=runs), in_loop(runs, most_repeats)
        return Choice(best, chosen, None if added is None else chosen + added, state, cut)

    def pick(log_probs: Array, count: Array) -> Array:
        if temperature is None:
            return greedy(log_probs)
        own = jax.vmap(jax.random.fold_in, (0, None))(keys, count)
        return draw(log_probs / jnp.asarray(temperature)[:, None], own)

    def next_token(ids: Array, state: _State) -> tuple[Array, _State]:
        logits, past = step(ids[:, None], state.past)
        # What follows an end is not looked at.
        fused = None if fusion is None else fusion.extend(state.fusion, jnp.where(ids == end_id, 0, ids))
        return logits[:, 0], state._replace(past=past, fusion=fused)

    rules = {"choose": choose, "end_ids": (end_id,)}
    texts = start_texts(logits, state, **rules, most_tokens=most_tokens, limits=limits)
    return to_tokens(extend_texts(next_token, texts, **rules))


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
