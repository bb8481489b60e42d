"""Texts that grow by one token after another until each has ended: the loop of greedy search and of sampling.

choose the first token;    while some text has not ended: step the model with the last tokens, choose the next ones

All rows run in one loop; a row whose text has ended stays as it is, so its result does not depend on the others. The
model is not stepped with the last token of the longest text: N tokens take N - 1 steps.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.errors import ConfigError
from jaxspeech.search.tokens import Tokens

# (ids [B], state) -> (logits of the next token [B V], state)
Step = Callable[[Any, Any], tuple[Any, Any]]


class Texts(NamedTuple):
    """The texts so far, with room for N tokens.

    Attributes:
      count: how many tokens were chosen in each row, ends and what followed them included.
      ids, probs: the tokens without ends, and the model's probability of each.
      num_tokens: how many there are.
      score: the sum of the scores of the tokens and the end.
      done: whether a text has ended or reached its limit.
      limits: the most tokens of each row.
      last: the token that the state does not have yet.
      state: the model's, and what else a choice depends on.
    """

    count: Int[Array, ""]
    ids: Int[Array, "B N"]
    probs: Float[Array, "B N"]
    num_tokens: Int[Array, " B"]
    score: Float[Array, " B"]
    done: Bool[Array, " B"]
    limits: Int[Array, " B"]
    last: Int[Array, " B"]
    state: Any


class Choice(NamedTuple):
    """The next token of each row.

    Attributes:
      ids: of the tokens; those of rows that are done count nowhere.
      log_probs: by the model.
      scores: what is added to the score of the text; None: `log_probs`.
      state: after the choice.
      cut: texts that stop with this token though it is no end; None: none.
    """

    ids: Int[Array, " B"]
    log_probs: Float[Array, " B"]
    scores: Float[Array, " B"] | None
    state: Any
    cut: Bool[Array, " B"] | None


# (texts, logits of their next token [B V] in float32) -> Choice
Choose = Callable[[Texts, Any], Choice]


def start_texts(
    logits: Float[Array, "B V"],
    state: Any,
    *,
    choose: Choose,
    end_ids: tuple[int, ...],
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
) -> Texts:
    """Chooses the first token of each text.

    Args:
      logits: of the first token.
      state: before it.
      choose: from the logits.
      end_ids: tokens that end a text and are not part of it.
      most_tokens: N.
      limits: the most tokens of each row, at most N; 0 is an empty text.

    Raises:
      ConfigError: There is no room for a token.
    """
    if most_tokens < 1:
        raise ConfigError(f"most_tokens={most_tokens}: it must be 1 or more")
    b = logits.shape[0]
    limits = jnp.full(b, most_tokens) if limits is None else jnp.minimum(jnp.asarray(limits), most_tokens)
    empty = Texts(
        count=jnp.zeros((), jnp.int32),
        ids=jnp.zeros((b, most_tokens), jnp.int32),
        probs=jnp.zeros((b, most_tokens)),
        num_tokens=jnp.zeros(b, jnp.int32),
        score=jnp.zeros(b),
        done=limits <= 0,
        limits=limits.astype(jnp.int32),
        last=jnp.zeros(b, jnp.int32),
        state=state,
    )
    return _add_token(empty, logits, choose=choose, end_ids=end_ids)


def extend_texts(
    step: Step, texts: Texts, *, choose: Choose, end_ids: tuple[int, ...], most_steps: int | None = None
) -> Texts:
    """Adds tokens until all texts are done, or `most_steps` tokens to each.

    Args:
      step: adds the last token of each row to the state, and gives the logits of the next one.
      texts: with a first token.
      choose, end_ids: as in `start_texts`.
      most_steps: None until all are done.
    """
    until = texts.ids.shape[1] if most_steps is None else texts.count + most_steps

    def body(texts: Texts) -> Texts:
        logits, state = step(texts.last, texts.state)
        return _add_token(texts._replace(state=state), logits, choose=choose, end_ids=end_ids)

    # A limit is at most N, so that after N tokens all texts are done.
    return jax.lax.while_loop(lambda texts: (texts.count < until) & ~texts.done.all(), body, texts)


def to_tokens(texts: Texts) -> Tokens:
    """Returns the texts as the result of a search; there are no frames: starts and ends are 0."""
    none = jnp.zeros_like(texts.ids)
    return Tokens(texts.ids, texts.num_tokens, none, none, texts.probs, texts.score)


def are_ends(ids: Int[Array, "*rows"], end_ids: tuple[int, ...]) -> Bool[Array, "*rows"]:
    """Returns which of the tokens end a text."""
    return (ids[..., None] == jnp.asarray(end_ids, jnp.int32)).any(-1)


def _add_token(texts: Texts, logits: Array, *, choose: Choose, end_ids: tuple[int, ...]) -> Texts:
    chosen = choose(texts, logits.astype(jnp.float32))
    ended = are_ends(chosen.ids, end_ids)
    added = ~texts.done & ~ended
    num_tokens = texts.num_tokens + added
    done = texts.done | ended | (num_tokens >= texts.limits)
    return texts._replace(
        count=texts.count + 1,
        ids=texts.ids.at[:, texts.count].set(jnp.where(added, chosen.ids, 0)),
        probs=texts.probs.at[:, texts.count].set(jnp.where(added, jnp.exp(chosen.log_probs), 0)),
        num_tokens=num_tokens,
        score=texts.score + jnp.where(texts.done, 0, chosen.log_probs if chosen.scores is None else chosen.scores),
        done=done if chosen.cut is None else done | chosen.cut,
        last=chosen.ids,
        state=chosen.state,
    )
