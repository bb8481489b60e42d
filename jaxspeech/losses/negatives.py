"""Draws the negatives of a contrastive loss: for each frame, N places in the list of its row's candidates.

Candidates are listed in their order. A draw is without replacement where there are enough of them, else with it, as in
NeMo (asr/losses/ssl_losses/contrastive.py), which has one draw for all utterances of a batch; here each frame of each
row has its own, which follows from the row's key and the frame's number alone.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from jaxspeech.types import Key


def listed(candidates: Bool[Array, "B M"]) -> Int[Array, "B M"]:
    """Returns the positions of each row's candidates, in order; those of the others follow."""
    return jnp.argsort(~candidates, axis=1, stable=True)


def draw_negatives(keys: Key, counts: Int[Array, " B"], *, frames: int, most: int, number: int) -> Int[Array, "B T N"]:
    """Draws places below the counts; 0 in rows without candidates.

    Args:
      keys: one for each row.
      counts: candidates of each row, at most `most`.
      frames: T.
      most: M, the size of the list.
      number: N.
    """

    def of_frame(key: Key, count: Int[Array, ""]) -> Int[Array, " N"]:
        order_key, place_key = jax.random.split(key)
        # A position's number does not depend on how many there are, so that padding changes nothing.
        order = jnp.where(jnp.arange(most) < count, jax.random.uniform(order_key, (most,)), jnp.inf)
        apart = jnp.resize(jnp.argsort(order), (number,))
        uniform = jax.random.uniform(place_key, (number,))
        again = jnp.minimum(jnp.floor(uniform * count).astype(jnp.int32), jnp.maximum(count - 1, 0))
        return jnp.where(count >= number, apart, again).astype(jnp.int32)

    def of_row(key: Key, count: Int[Array, ""]) -> Int[Array, "T N"]:
        keys = jax.vmap(lambda frame: jax.random.fold_in(key, frame))(jnp.arange(frames))
        return jax.vmap(of_frame, (0, None))(keys, count)

    return jax.vmap(of_row)(keys, counts)


def draw_codes(keys: Key, *, frames: int, number: int, size: int, groups: int) -> Int[Array, "B T N G"]:
    """Draws codes: an id in each group, all of the same probability.

    Args:
      keys: one for each row.
      frames, number: T and N.
      size: V, codes of a group.
      groups: G.
    """

    def of_row(key: Key) -> Int[Array, "T N G"]:
        keys = jax.vmap(lambda frame: jax.random.fold_in(key, frame))(jnp.arange(frames))
        return jax.vmap(lambda key: jax.random.randint(key, (number, groups), 0, size))(keys)

    return jax.vmap(of_row)(keys)
