"""Chooses the next token from a model's logits: the most probable one, or one that is drawn.

p_v = softmax(logits / temperature)_v, and zero outside the k most probable tokens, and outside the nucleus: the most
probable tokens, as many as are needed for a probability of p together          Holtzman et al., arXiv 1904.09751
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.errors import ConfigError

# (logits [B V], keys [B], or None where nothing is drawn) -> ids [B]
Select = Callable[[Any, Any], Any]


class Candidates(NamedTuple):
    """The tokens among which one is drawn.

    Attributes:
      logits: divided by the temperature; -inf for what is left out.
      ids: of the tokens, or None where they are all tokens in their order.
    """

    logits: Float[Array, "*rows C"]
    ids: Int[Array, "*rows C"] | None


def greedy(logits: Float[Array, "*rows V"], keys: Any = None) -> Int[Array, "*rows"]:
    """Takes the most probable token, the first of several equal ones."""
    del keys
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


def selection(*, temperature: float = 0.0, top_k: int = 0, top_p: float = 1.0) -> Select:
    """Makes the function that chooses tokens.

    Args:
      temperature: 0 takes the most probable token, whatever the other two are; otherwise tokens are drawn.
      top_k: how many of the most probable tokens are drawn from; 0 is all.
      top_p: the probability that the tokens drawn from need to have together, after the temperature and `top_k`;
        1 is all.

    Returns:
      (logits [B V], keys [B]) -> ids [B]; the token of a row depends on its own logits and key only.

    Raises:
      ConfigError: A value is out of its range; or, by the function, keys are missing.

    Source: transformers' `TemperatureLogitsWarper`, `TopKLogitsWarper` and `TopPLogitsWarper`, in this order.
    """
    if not temperature >= 0:
        raise ConfigError(f"temperature={temperature}: it must be 0 (the most probable token) or above")
    if top_k < 0:
        raise ConfigError(f"top_k={top_k}: it must be a number of tokens, or 0 for all")
    if not 0 < top_p <= 1:
        raise ConfigError(f"top_p={top_p}: it must be a probability above 0, and at most 1 (all tokens)")
    if temperature == 0:
        return greedy
    return partial(_draw_candidate, temperature=temperature, top_k=top_k, top_p=top_p)


def candidates(
    logits: Float[Array, "*rows V"], *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Candidates:
    """Returns the tokens that `selection` draws from; with `top_k`, as many, the most probable first."""
    logits, ids = logits.astype(jnp.float32) / temperature, None
    if 0 < top_k < logits.shape[-1]:
        logits, ids = jax.lax.top_k(logits, top_k)
    return Candidates(logits if top_p >= 1 else _in_nucleus(logits, top_p), ids)


def _in_nucleus(logits: Float[Array, "*rows C"], top_p: float) -> Float[Array, "*rows C"]:
    """Leaves out the tokens before which more probable ones have a probability of `top_p` or more together.

    The smallest probability that stays is found by bisection, which is many times faster than to sort all tokens.
    """
    probs = jax.nn.softmax(logits)
    # Of numbers that are not negative, the bits have the same order.
    bits = jax.lax.bitcast_convert_type(probs, jnp.int32)

    def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = (low + high) // 2
        stays = jnp.where(bits > middle, probs, 0).sum(-1, keepdims=True) < top_p
        return jnp.where(stays, low, middle + 1), jnp.where(stays, middle, high)

    high = bits.max(-1, keepdims=True)
    _, smallest = jax.lax.fori_loop(0, 31, halve, (jnp.zeros_like(high), high))
    return jnp.where(bits >= smallest, logits, -jnp.inf)


def draw(logits: Float[Array, "B C"], keys: Any) -> Int[Array, " B"]:
    """Draws a place of each row from softmax(logits) with the row's own key.

    Raises:
      ConfigError: There are no keys.
    """
    if keys is None:
        raise ConfigError("tokens are drawn, and there are no keys: pass `keys`, one for each row")
    return jax.vmap(jax.random.categorical)(keys, logits).astype(jnp.int32)


def _draw_candidate(logits: Array, keys: Any, *, temperature: float, top_k: int, top_p: float) -> Array:
    found = candidates(logits, temperature=temperature, top_k=top_k, top_p=top_p)
    place = draw(found.logits, keys)
    return place if found.ids is None else jnp.take_along_axis(found.ids, place[:, None], axis=1)[:, 0]
