"""Cross-entropy over the tokens of a text, with label smoothing, in blocks of tokens.

s      = V e / (V - 1)                                              e: label_smoothing
loss_b = - sum_u  (1 - s) log p(y_u) + s mean_v log p(v)            over the targets that count

A block's logits are computed, reduced to its losses, and computed again in the backward pass: logits [B U V] of a
whole batch never exist. Source: Szegedy et al. (2016), in the form of NeMo's SmoothedCrossEntropyLoss.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

# Tokens of a row whose logits exist at a time.
BLOCK = 16


def token_cross_entropy(
    states: Float[Array, "B U D"],
    targets: Int[Any, "B U"],
    counts: Bool[Any, "B U"],
    *,
    logits: Any,
    label_smoothing: float = 0.0,
    block: int = BLOCK,
) -> Float[Array, " B"]:
    """Sums the losses of each row's targets.

    Args:
      states: of the decoder.
      targets: token ids; any value where they do not count.
      counts: which targets count.
      logits: function from states [B n D] to scores [B n V].
      label_smoothing: e, the share of probability that is spread over all tokens.
      block: n.
    """
    b, u, _ = states.shape
    block = min(block, u)
    extra = -u % block
    counts = jnp.pad(jnp.asarray(counts), ((0, 0), (0, extra)))
    targets = jnp.where(counts, jnp.pad(jnp.asarray(targets), ((0, 0), (0, extra))), 0)
    states = jnp.pad(states, ((0, 0), (0, extra), (0, 0)))

    def blocks(x: Array) -> Array:
        return jnp.moveaxis(x.reshape(b, -1, block, *x.shape[2:]), 1, 0)

    @jax.checkpoint
    def add(total: Array, part: Any) -> tuple[Array, None]:
        states, targets, counts = part
        log_probs = jax.nn.log_softmax(logits(states).astype(jnp.float32))
        smoothing = label_smoothing * log_probs.shape[-1] / (log_probs.shape[-1] - 1)
        chosen = jnp.take_along_axis(log_probs, targets[..., None], axis=-1)[..., 0]
        losses = -((1 - smoothing) * chosen + smoothing * log_probs.mean(-1))
        return total + jnp.where(counts, losses, 0).sum(1), None

    total, _ = jax.lax.scan(add, jnp.zeros(b, jnp.float32), (blocks(states), blocks(targets), blocks(counts)))
    return total
