"""Losses of masked prediction: the codes of masked frames, from the encoder's output there.

    nll_b = sum over selected n, mean over books h of  -log softmax(logits_bn:h)[id_bnh]

The logits of thousands of codes are the largest array of such a model, and only masked frames need them. The selected
frames of each row are therefore computed first, in blocks, and a block that no row reaches is left out: the result is
exact whatever is masked, the cost follows the longest masked share, and the logits of one block are in memory.
Source: Chiu et al. (2022), section 3; NeMo's asr/losses/ssl_losses/mlm.py takes the mean over the selected frames of a
batch, which is the quotient of the sums over rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# Blocks of each row's frames.
BLOCKS = 8


class MaskedSums(NamedTuple):
    """Sums over the selected frames of each row.

    Attributes:
      losses: negative log-likelihoods in nats, a mean over the books.
      correct: the share of the books whose likeliest code is the right one.
      count: the number of the frames.
    """

    losses: Float[Array, " B"]
    correct: Float[Array, " B"]
    count: Float[Array, " B"]


def masked_nll(logits: Float[Any, "B N V H"], ids: Int[Any, "B N H"], selected: Bool[Any, "B N"]) -> MaskedSums:
    """Computes the sums from logits of every frame, which need not be normalised.

    Args:
      logits: scores of the V codes of each book; those of other frames may hold anything.
      ids: the right codes.
      selected: which frames count.
    """
    logits = jnp.where(selected[:, :, None, None], logits.astype(jnp.float32), 0.0)
    right = jnp.take_along_axis(logits, jnp.clip(ids, 0, logits.shape[2] - 1)[:, :, None], 2)[:, :, 0]
    highest = jax.lax.stop_gradient(logits.max(2))
    log_total = highest + jnp.log(jnp.exp(logits - highest[:, :, None]).sum(2))
    chosen = selected.astype(jnp.float32)
    return MaskedSums(
        losses=((log_total - right).mean(-1) * chosen).sum(1),
        correct=((right >= highest).astype(jnp.float32).mean(-1) * chosen).sum(1),
        count=chosen.sum(1),
    )


def masked_nll_of_frames(
    score: Callable[[Float[Array, "B K D"]], Float[Array, "B K V H"]],
    encoded: Float[Array, "B N D"],
    ids: Int[Array, "B N H"],
    selected: Bool[Array, "B N"],
    *,
    blocks: int = BLOCKS,
) -> MaskedSums:
    """Computes the same sums from encoder frames, with the logits of selected frames alone.

    Args:
      score: encoder frames -> logits; a pure function, which is computed again for the gradient.
      encoded: the encoder's output; frames that are not selected may hold anything.
      ids: the right codes.
      selected: which frames count.
      blocks: into which each row is divided.
    """
    batch, frames = selected.shape
    size = -(-frames // blocks)
    blocks = -(-frames // size)
    longest = selected.sum(1).max()
    order = jnp.argsort(~selected, axis=1, stable=True)
    # What a last block lacks is the first frame again, not selected.
    order = jnp.pad(order, ((0, 0), (0, blocks * size - frames)))
    taken = jnp.take_along_axis(selected, order, 1) & (jnp.arange(blocks * size) < frames)

    def in_blocks(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(batch, blocks, size), 1, 0)

    def of_block(place: Int[Array, "B K"], chosen: Bool[Array, "B K"]) -> MaskedSums:
        part = jnp.take_along_axis(encoded, place[:, :, None], 1)
        part = jnp.where(chosen[:, :, None], part, jnp.zeros((), part.dtype))
        return masked_nll(score(part), jnp.take_along_axis(ids, place[:, :, None], 1), chosen)

    def nothing(place: Int[Array, "B K"], chosen: Bool[Array, "B K"]) -> MaskedSums:
        del place, chosen
        return MaskedSums(*(jnp.zeros(batch, jnp.float32) for _ in MaskedSums._fields))

    @jax.checkpoint
    def add(total: MaskedSums, block: tuple[Array, Array, Array]) -> tuple[MaskedSums, None]:
        number, place, chosen = block
        found = jax.lax.cond(longest > number * size, of_block, nothing, place, chosen)
        return jax.tree.map(jnp.add, total, found), None

    start = nothing(order, taken)
    return jax.lax.scan(add, start, (jnp.arange(blocks), in_blocks(order), in_blocks(taken)))[0]
