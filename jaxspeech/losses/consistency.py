"""The consistency loss between the CTC distributions of two views of each utterance (CR-CTC).

    loss_b = 1/2 sum_t KL(sg(q_t) || p_t) + KL(sg(p_t) || q_t),     KL(q || p) = sum_k q(k) (log q(k) - log p(k))

with the distributions p_t and q_t over the tokens and the blank that a model predicts at frame t for one view and the
other; sg stops the gradient, so that each view learns from the other one as it is.

Source: Yao et al., "CR-CTC: Consistency regularization on CTC for improved speech recognition" (arXiv 2410.05101,
section 3.1).
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.masks import length_mask


def consistency_loss(
    first: Float[Any, "B T W"], second: Float[Any, "B T W"], num_frames: Int[Any, " B"]
) -> Float[Array, " B"]:
    """Computes the loss of each row, in nats, summed over its frames; in float32 whatever the dtype of the logits.

    Args:
      first, second: unnormalised scores, or log-probabilities, for both views; -inf for symbols that are left out of
        both.
      num_frames: real frames of each row, the same in both views; padding may hold anything.
    """
    real = length_mask(jnp.asarray(num_frames), first.shape[1])[:, :, None]

    def log_probs(logits: Float[Any, "B T W"]) -> Float[Array, "B T W"]:
        return jax.nn.log_softmax(jnp.where(real, jnp.asarray(logits, jnp.float32), 0.0))

    p, q = log_probs(first), log_probs(second)
    return 0.5 * (_divergence(q, p) + _divergence(p, q))


def _divergence(target: Float[Array, "B T W"], log_probs: Float[Array, "B T W"]) -> Float[Array, " B"]:
    target = jax.lax.stop_gradient(target)
    # Rows of padding have the same distribution in both views, and so add zeros.
    return jnp.where(target > -jnp.inf, jnp.exp(target) * (target - log_probs), 0.0).sum((1, 2))
