"""Cross-entropy over the tokens of a text, with label smoothing, in blocks of tokens.

s      = V e / (V - 1)                                              e: label_smoothing
loss_b = - sum_u  (1 - s) log p(y_u) + s mean_v log p(v)            over the targets that count

A block's logits are computed, reduced to its losses, and computed again in the backward pass: logits [B U V] of a
whole batch never exist. Source: Szegedy et al. (2016), in the form of NeMo's SmoothedCrossEntropyLoss.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# Tokens of a row whose logits exist at a time.
BLOCK = 16


class TokenLosses(NamedTuple):
    """Of each row's targets that count.

    Attributes:
      losses: sum of the cross-entropies.
      right: how many of them are the most probable token.
    """

    losses: Float[Array, " B"]
    right: Int[Array, " B"]


def token_cross_entropy(
    states: Float[Array, "B U D"],
    targets: Int[Any, "B U"],
    counts: Bool[Any, "B U"],
    *,
    logits: Any,
    label_smoothing: float = 0.0,
    block: int = BLOCK,
) -> Float[Array, " B"]:
    """Sums the losses of each row's targets; see `token_losses`."""
    options = {"logits": logits, "label_smoothing": label_smoothing, "block": block}
    return token_losses(states, targets, counts, **options).losses


def token_losses(
    states: Float[Array, "B U D"],
    targets: Int[Any, "B U"],
    counts: Bool[Any, "B U"],
    *,
    logits: Any,
    label_smoothing: float = 0.0,
    block: int = BLOCK,
    sparse: bool = False,
) -> TokenLosses:
    """Sums the losses of each row's targets, and counts those that the model would choose.

    Args:
      states: of the decoder.
      targets: token ids; any value where they do not count.
      counts: which targets count.
      logits: function from states [B n D] to scores [B n V].
      label_smoothing: e, the share of probability that is spread over all tokens.
      block: n.
      sparse: few targets count. They are moved to the front of their rows, and no logits are computed of blocks
        without any, so that the cost is that of the row with the most targets, not that of U.
    """
    b, u, _ = states.shape
    counts = jnp.asarray(counts)
    targets = jnp.where(counts, jnp.asarray(targets), 0)
    if sparse:
        order = jnp.argsort(~counts, axis=1, stable=True)
        states = jnp.take_along_axis(states, order[..., None], axis=1)
        targets, counts = (jnp.take_along_axis(x, order, axis=1) for x in (targets, counts))
    block = min(block, u)
    extra = -u % block
    counts = jnp.pad(counts, ((0, 0), (0, extra)))
    targets = jnp.pad(targets, ((0, 0), (0, extra)))
    states = jnp.pad(states, ((0, 0), (0, extra), (0, 0)))

    def blocks(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(b, -1, block, *x.shape[2:]), 1, 0)

    @jax.checkpoint
    def of_block(states: Array, targets: Array, counts: Array) -> TokenLosses:
        log_probs = jax.nn.log_softmax(logits(states).astype(jnp.float32))
        smoothing = label_smoothing * log_probs.shape[-1] / (log_probs.shape[-1] - 1)
        chosen = jnp.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]
        losses = -((1 - smoothing) * chosen + smoothing * log_probs.mean(-1))
        right = counts & (log_probs.argmax(-1) == targets)
        return TokenLosses(jnp.where(counts, losses, 0).sum(1), right.sum(1))

    nothing = TokenLosses(jnp.zeros(b, jnp.float32), jnp.zeros(b, jnp.int32))

    def add(total: TokenLosses, part: Any) -> tuple[TokenLosses, None]:
        found = jax.lax.cond(part[2].any(), of_block, lambda *_: nothing, *part) if sparse else of_block(*part)
        return TokenLosses(total.losses + found.losses, total.right + found.right), None

    total, _ = jax.lax.scan(add, nothing, (blocks(states), blocks(targets), blocks(counts)))
    return total
