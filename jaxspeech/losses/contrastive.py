"""The contrastive loss of wav2vec 2.0: which of many targets is that of a masked frame.

loss_t = - log  exp(cos(c_t, q_t) / tau) / (exp(cos(c_t, q_t) / tau) + sum over negatives n of exp(cos(c_t, q_n) / tau))

with the model's output c_t and the target q_t of the frame; negatives are targets of other frames, or codes. One that
equals q_t, the frame's own among them, does not count. Sources: Baevski et al., "wav2vec 2.0" (2020), equation 3;
NeMo's asr/losses/ssl_losses/contrastive.py.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from jaxspeech.losses.negatives import listed

# Least length of a vector that a cosine is divided by, as in torch.
LEAST = 1e-8


def contrastive_loss(
    outputs: Float[Any, "B T D"],
    targets: Float[Any, "B T D"],
    negatives: Int[Any, "B T N"],
    masked: Bool[Any, "B T"],
    *,
    candidates: Bool[Any, "B T"],
    same: Shaped[Any, "B T G"],
    temperature: float = 0.1,
) -> tuple[Float[Array, "B T"], Bool[Array, "B T"]]:
    """Computes the loss of each masked frame against other frames of its row.

    To have negatives from a whole batch, reshape it to one row.

    Args:
      outputs: c; finite where a frame is not masked.
      targets: q; finite everywhere.
      negatives: numbers in the list of the row's candidates, see `losses.negatives`.
      masked: frames that count.
      candidates: frames whose targets can be negatives.
      same: of each frame, what is equal where two targets are: the ids of their codes, or the targets.
      temperature: tau.

    Returns:
      (losses, whether the right target is nearer than all negatives, of which there must be one that differs from it);
      0 and False where a frame does not count.
    """
    order = listed(jnp.asarray(candidates))
    place = jnp.take_along_axis(order[:, None, :], negatives, axis=2)
    similar = _cosines(outputs, targets)
    right = jnp.diagonal(similar, axis1=1, axis2=2)
    # Of all pairs of frames: fewer than those of a frame and a negative, and no vectors are gathered.
    equal = jax.vmap(lambda keys: (keys[:, None] == keys[None]).all(-1))(jnp.asarray(same))
    others = jnp.take_along_axis(similar, place, axis=2)
    return _losses(right, others, jnp.take_along_axis(equal, place, axis=2), masked, temperature)


def contrastive_code_loss(
    outputs: Float[Any, "B T D"],
    ids: Int[Any, "B T G"],
    codes: Float[Any, "V K"],
    negatives: Int[Any, "B T N G"],
    targets: Float[Any, "B T D"],
    masked: Bool[Any, "B T"],
    *,
    temperature: float = 0.1,
) -> tuple[Float[Array, "B T"], Bool[Array, "B T"]]:
    """Computes the loss of each masked frame against codes of the whole codebook.

    Args:
      outputs, masked, temperature: see `contrastive_loss`.
      ids: of the target in each group.
      codes: of every group; a target is those of its ids, one after the other.
      negatives: ids of the codes that each negative consists of.
      targets: those of the ids.

    Returns:
      As `contrastive_loss`.
    """
    ids, negatives = jnp.asarray(ids), jnp.asarray(negatives)
    b, t, groups = ids.shape
    split = outputs.astype(jnp.float32).reshape(b, t, groups, -1)
    products = jnp.einsum("btgk,vk->btgv", split, codes.astype(jnp.float32))
    places = jnp.moveaxis(negatives, 3, 2)  # [B T G N]
    product = jnp.take_along_axis(products, places, axis=3).sum(2)
    length = jnp.square(codes).sum(-1)[places].sum(2)
    others = product / (_length(outputs)[..., None] * jnp.sqrt(jnp.maximum(length, LEAST**2)))
    right = (outputs * targets).sum(-1) / (_length(outputs) * _length(targets))
    equal = (negatives == ids[:, :, None]).all(-1)
    return _losses(right, others, equal, masked, temperature)


def _losses(
    right: Float[Array, "B T"],
    others: Float[Array, "B T N"],
    equal: Bool[Array, "B T N"],
    masked: Bool[Any, "B T"],
    temperature: float,
) -> tuple[Float[Array, "B T"], Bool[Array, "B T"]]:
    others = jnp.where(equal, -jnp.inf, others)
    scores = jnp.concatenate([right[..., None], others], -1) / temperature
    losses = jax.nn.logsumexp(scores, -1) - scores[..., 0]
    nearest = others.max(-1, initial=-jnp.inf)
    found = (right > nearest) & (nearest > -jnp.inf)
    return jnp.where(masked, losses, 0.0), jnp.asarray(masked) & found


def _cosines(x: Float[Any, "B T D"], y: Float[Any, "B T D"]) -> Float[Array, "B T T"]:
    x, y = (part.astype(jnp.float32) / _length(part)[..., None] for part in (jnp.asarray(x), jnp.asarray(y)))
    return jnp.einsum("btd,bsd->bts", x, y)


def _length(x: Float[Any, "B T D"]) -> Float[Array, "B T"]:
    # The root's argument is never 0, where its gradient would be NaN.
    return jnp.sqrt(jnp.maximum(jnp.square(x.astype(jnp.float32)).sum(-1), LEAST**2))
