"""Finds the greatest of some numbers, and of equal ones those that NeMo takes.

A frame that is kept for two speakers is in the speaker cache twice, so that scores are often equal. PyTorch's `topk`
leaves the choice to `std::nth_element`, which on Linux is the quickselect of libstdc++:

    while more than 3 numbers are left: pivot = median of the second, the middle and the last number; divide them into
    greater and smaller ones by swapping those on the wrong side; continue with the side of the k-th

Here all swaps of a division are made at once. Only where numbers that are equal are on both sides of the limit is
anything divided; otherwise `top_k` is enough.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def greatest(values: Float[Array, " N"], num_values: Int[Array, ""], k: int) -> Bool[Array, " N"]:
    """Marks the k greatest numbers; all numbers that are real if there are fewer.

    Args:
      values: the numbers; -inf counts as none.
      num_values: how many are real.
      k: how many to mark.
    """
    size, k = len(values), min(k, len(values))
    if k <= 0:
        return jnp.zeros(size, bool)
    values = jnp.where(jnp.arange(size) < num_values, values, -jnp.inf)
    best, places = jax.lax.top_k(values, k)
    limit = best[k - 1]
    tied = ((values == limit).sum() > (best == limit).sum()) & jnp.isfinite(limit)
    places = jnp.where(tied, _quickselect(values, jnp.where(tied, num_values, 0), k), places)
    return jnp.zeros(size, bool).at[places].set(True) & (values > -jnp.inf)


def _quickselect(values: Float[Array, " N"], num_values: Int[Array, ""], k: int) -> Int[Array, " K"]:
    """Returns which numbers `std::nth_element` moves to the first k places."""

    def divide(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        order, first, last = state
        at = values[order]
        second, middle, end = first + 1, first + (last - first) // 2, last - 1
        a, b, c = at[second], at[middle], at[end]
        from_a = jnp.where(b > c, middle, jnp.where(a > c, end, second))
        from_b = jnp.where(a > c, second, jnp.where(b > c, end, middle))
        order = _swapped(order, first, jnp.where(a > b, from_a, from_b))
        at = values[order]
        place, pivot = jnp.arange(len(values)), at[first]
        within = (place > first) & (place < last)
        left = jnp.sort(jnp.where(within & ~(at > pivot), place, len(values)))
        right = jnp.sort(jnp.where(within & ~(pivot > at), place, -1))[::-1]
        wrong = left < right
        outside = len(values)
        sources, targets = (jnp.where(wrong, pair, outside) for pair in (left, right))
        moved = order.at[sources].set(order[jnp.where(wrong, right, 0)], mode="drop")
        moved = moved.at[targets].set(order[jnp.where(wrong, left, 0)], mode="drop")
        swaps = wrong.sum()
        cut = jnp.take(left, jnp.minimum(swaps, outside - 1))
        cut = jnp.where(swaps > 0, jnp.minimum(cut, right[jnp.maximum(swaps - 1, 0)]), cut)
        return moved, jnp.where(cut <= k - 1, cut, first), jnp.where(cut <= k - 1, last, cut)

    first, places = jnp.zeros((), num_values.dtype), jnp.arange(len(values), dtype=num_values.dtype)
    order, first, last = jax.lax.while_loop(lambda state: state[2] - state[1] > 3, divide, (places, first, num_values))
    # The last three are sorted, the greatest first; equal ones stay as they are.
    at = values[order]
    key = jnp.where(places < first, jnp.inf, jnp.where(places < last, at, -jnp.inf))
    return order[jnp.argsort(-key, stable=True)][:k]


def _swapped(order: Int[Array, " N"], one: Int[Array, ""], other: Int[Array, ""]) -> Int[Array, " N"]:
    return order.at[one].set(order[other]).at[other].set(order[one])
