"""The best tokens by the sum of acoustic scores and those of fused models, without the models' scores of all tokens.

best = top_k(a_v + f_v)                            a_v acoustic, f_v = Fusion.scores

Of the N tokens with the best a_v, f_v is asked for. Every other token has a_v + f_v <= a_N + bound, so that the k best
of the N are the k best of all if the k-th reaches it. Where it does not, for some row, all tokens are scored. So the
result is exact, and its cost depends on how sure the acoustic model is.

A search that uses only tokens which reach some score may say so: a row is also sure if no token that is not among the
N reaches it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.search.fusion import Fusion, check_vocabulary

# N. A second, longer list would cost as much as the scores of all tokens: top_k of many is slow on a CPU.
SIZES = (16,)


class Best(NamedTuple):
    """The best tokens of each row, the best first: their scores a_v + f_v, and their ids."""

    scores: Float[Array, "*rows k"]
    tokens: Int[Array, "*rows k"]


def best_tokens(
    fusion: Fusion,
    states: Any,
    acoustic: Float[Array, "*rows V"],
    *,
    count: int,
    needed: Bool[Array, "*rows"],
    least: Float[Array, "*rows"] | None = None,
    sizes: tuple[int, ...] = SIZES,
) -> Best:
    """Returns the best tokens by acoustic and fused scores.

    Args:
      fusion: the models.
      states: theirs, of each row.
      acoustic: log-probabilities, or logits, of the V tokens; -inf for one that is not allowed.
      count: k, at most V.
      needed: rows whose result is used; the others have some result, and their arrays may hold anything.
      least: the score that a token of a row must reach to be used; in place of lower ones, others may be returned.
      sizes: of the lists that are tried before all tokens are scored, in rising order.

    Raises:
      ConfigError: the models have another number of tokens.
    """
    vocab_size = acoustic.shape[-1]
    check_vocabulary(fusion, vocab_size)

    def among(size: int) -> tuple[Best, Bool[Array, "*rows"]]:
        """The best of `size` tokens, and whether no other token can be better."""
        of_token, tokens = jax.lax.top_k(acoustic, size)
        listed = tokens.astype(jnp.int32)
        scores, place = jax.lax.top_k(of_token + fusion.candidates(states, listed), count)
        best = Best(scores, jnp.take_along_axis(listed, place, axis=-1))
        # The last ones, as minima: of a slice of its result, XLA's CPU compiler makes of top_k a sort of all tokens.
        others = of_token.min(-1) + fusion.bound(states)
        certain = scores.min(-1) >= others
        return best, certain if least is None else certain | (others < least)

    def among_all() -> tuple[Best, Bool[Array, "*rows"]]:
        scores, tokens = jax.lax.top_k(acoustic + fusion.scores(states), count)
        return Best(scores, tokens.astype(jnp.int32)), jnp.ones_like(needed)

    def more(best: Best, certain: Bool[Array, "*rows"], attempt: Any) -> tuple[Best, Bool[Array, "*rows"]]:
        """The result of another attempt for the rows that need it: what a row gets depends on no other row."""
        found, sure = attempt()
        kept = jax.tree.map(lambda new, old: jnp.where(certain[..., None], old, new), found, best)
        return kept, certain | sure

    attempts = [lambda size=size: among(size) for size in sizes if count <= size < vocab_size] + [among_all]
    best, certain = attempts[0]()
    certain = certain | ~needed
    for attempt in attempts[1:]:
        best, certain = jax.lax.cond(
            certain.all(),
            lambda best, certain: (best, certain),
            lambda best, certain, attempt=attempt: more(best, certain, attempt),
            best,
            certain,
        )
    return best
