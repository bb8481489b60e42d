"""Losses of masked prediction: the codes of masked frames, from the encoder's output there.

    nll_b = sum over selected n, mean over books h of  -log softmax(logits_bn:h)[id_bnh]

The logits of thousands of codes are the largest array of such a model, and only masked frames need them. The selected
frames of the rows of a device are therefore computed first, in blocks, and a block without any is left out: the result
is exact whatever is masked, the cost follows the masked share, and the logits of one block are in memory. Source: Chiu
et al. (2022), section 3; NeMo's asr/losses/ssl_losses/mlm.py takes the mean over the selected frames of a batch, which
is the quotient of the sums over rows.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxspeech.row_parallel import parts_of_rows

# Blocks of the frames of a device.
BLOCKS = 16


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
    logits = jnp.where(selected[:, :, None, None], logits, jnp.zeros((), logits.dtype))
    return _sums(*_of_frames(logits, jnp.asarray(ids)), selected)


def masked_nll_of_frames(
    score: Callable[[Float[Array, "P K D"]], Float[Array, "P K V H"]],
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
      blocks: into which the frames of a device are divided.
    """
    shape, parts = selected.shape, parts_of_rows(len(selected))
    encoded, ids, chosen = (x.reshape(parts, -1, *x.shape[2:]) for x in (encoded, ids, selected))
    frames = chosen.shape[1]
    size = -(-frames // blocks)
    blocks = -(-frames // size)
    most = chosen.sum(1).max()
    order = jnp.argsort(~chosen, axis=1, stable=True)
    # What a last block lacks is the first frame again, whose result is dropped.
    places = jnp.pad(order, ((0, 0), (0, blocks * size - frames)))

    def of_block(place: Int[Array, "P K"]) -> tuple[Array, Array]:
        place = place[:, :, None]
        part = jnp.take_along_axis(encoded, place, 1)
        part = jnp.where(jnp.take_along_axis(chosen[:, :, None], place, 1), part, jnp.zeros((), part.dtype))
        return _of_frames(score(part), jnp.take_along_axis(ids, place, 1))

    def nothing(place: Int[Array, "P K"]) -> tuple[Array, Array]:
        return jnp.zeros(place.shape), jnp.zeros(place.shape)

    @jax.checkpoint
    def compute(number: Int[Array, ""], place: Int[Array, "P K"]) -> tuple[Array, Array]:
        return jax.lax.cond(most > number * size, of_block, nothing, place)

    def step(_: None, block: tuple[Array, Array]) -> tuple[None, tuple[Array, Array]]:
        return None, compute(*block)

    in_blocks = jnp.moveaxis(places.reshape(parts, blocks, size), 1, 0)
    _, found = jax.lax.scan(step, None, (jnp.arange(blocks), in_blocks))
    back = jnp.argsort(order, axis=1)

    def restored(x: Float[Array, "blocks P K"]) -> Float[Array, "B N"]:
        x = jnp.moveaxis(x, 0, 1).reshape(parts, blocks * size)[:, :frames]
        return jnp.take_along_axis(x, back, 1).reshape(shape)

    losses, correct = map(restored, found)
    return _sums(losses, correct, selected)


def _of_frames(
    logits: Float[Array, "B N V H"], ids: Int[Array, "B N H"]
) -> tuple[Float[Array, "B N"], Float[Array, "B N"]]:
    """Computes each frame's loss, and the share of the books whose code is the likeliest."""
    logits = logits.astype(jnp.float32)
    right = jnp.take_along_axis(logits, jnp.clip(ids, 0, logits.shape[2] - 1)[:, :, None], 2)[:, :, 0]
    highest = jax.lax.stop_gradient(logits.max(2))
    log_total = highest + jnp.log(jnp.exp(logits - highest[:, :, None]).sum(2))
    return (log_total - right).mean(-1), (right >= highest).astype(jnp.float32).mean(-1)


def _sums(losses: Float[Array, "B N"], correct: Float[Array, "B N"], selected: Bool[Array, "B N"]) -> MaskedSums:
    chosen = selected.astype(jnp.float32)
    return MaskedSums((losses * chosen).sum(1), (correct * chosen).sum(1), chosen.sum(1))
