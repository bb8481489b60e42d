"""Generates texts with a model that steps from token to token: a language model, or one that hears.

y_u = select(logits of p(. | prompt, y_1 .. y_{u-1}))                          until an end, or the limit of the row

    tokens = generate(step, logits, state, end_ids=ends, most_tokens=200)

or in parts, whose new tokens can be shown at once (both functions under `jax.jit`; `advance` may donate `texts`):

    texts = start(logits, state, end_ids=ends, most_tokens=200)
    while not texts.done.all():
        texts = advance(step, texts, end_ids=ends, count=8)
        ...                                                     # row b: texts.ids[b, : texts.num_tokens[b]]

The loop is that of attention decoders (`search.texts`).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.search.selection import Select, greedy
from jaxspeech.search.texts import Choice, Choose, Step, Texts, extend_texts, start_texts, to_tokens
from jaxspeech.search.tokens import Tokens


def generate(
    step: Step,
    logits: Float[Array, "B V"],
    state: Any,
    *,
    end_ids: tuple[int, ...],
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
    select: Select = greedy,
    keys: Any = None,
) -> Tokens:
    """Generates a text in each row.

    Args:
      step: (ids [B], state) -> (logits of the next token [B V], state).
      logits: of the first token.
      state: of the model after the prompt; a step adds one token to each row, also to those that have ended.
      end_ids: the tokens that end a text, and are not part of it; none is allowed.
      most_tokens: N, where every text is cut.
      limits: where the text of each row is cut, at most N.
      select: chooses tokens from logits [B V] and keys [B] (`search.selection`).
      keys: for drawing, one for each row; the n-th token is drawn with the key folded with n.

    Returns:
      The tokens without an end. `confidence` is the model's probability of each, before any temperature; `score` the
      log-probability of the text with its end, if it has one within the limit. A row depends on no other row.

    Raises:
      ConfigError: `most_tokens` is below 1, or tokens are drawn without keys.
    """
    texts = start(logits, state, end_ids=end_ids, most_tokens=most_tokens, limits=limits, select=select, keys=keys)
    return to_tokens(advance(step, texts, end_ids=end_ids, select=select, keys=keys))


def start(
    logits: Float[Array, "B V"],
    state: Any,
    *,
    end_ids: tuple[int, ...],
    most_tokens: int,
    limits: Int[Any, " B"] | None = None,
    select: Select = greedy,
    keys: Any = None,
) -> Texts:
    """Chooses the first token of each row; the arguments are those of `generate`."""
    chosen = _chooser(select, keys)
    return start_texts(logits, state, choose=chosen, end_ids=end_ids, most_tokens=most_tokens, limits=limits)


def advance(
    step: Step,
    texts: Texts,
    *,
    end_ids: tuple[int, ...],
    count: int | None = None,
    select: Select = greedy,
    keys: Any = None,
) -> Texts:
    """Adds up to `count` tokens to each row that is not done, all that are missing if it is None.

    Args:
      step, end_ids, select, keys: as in `generate`, the same in every call.
      texts: of `start` or of this function.
      count: the most steps of this call.
    """
    return extend_texts(step, texts, choose=_chooser(select, keys), end_ids=end_ids, most_steps=count)


def _chooser(select: Select, keys: Any) -> Choose:
    def choose(texts: Texts, logits: Array) -> Choice:
        own = None if keys is None else jax.vmap(jax.random.fold_in, (0, None))(keys, texts.count)
        ids = select(logits, own)
        log_probs = jnp.take_along_axis(logits, ids[:, None], axis=1)[:, 0] - jax.nn.logsumexp(logits, axis=-1)
        return Choice(ids, log_probs, None, texts.state, None)

    return choose
