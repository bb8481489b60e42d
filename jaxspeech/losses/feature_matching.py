"""How far what discriminators see in generated audio is from what they see in real audio, a mean over their layers.

absolute   mean |R - G|
relative   mean over channels of  mean_t |R - G| / (mean_t |R| + 1e-3)           EnCodec, 2022

The mean over the layers of each discriminator, then over the discriminators (NeMo 3.0.0, tts/losses/
audio_codec_loss.py; `losses.adversarial.feature_loss` is HiFi-GAN's, a sum). What is seen in real audio is a constant.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.losses.adversarial import Masked

KINDS = ("absolute", "relative")
# Added to the scales of channels that see nothing.
GUARD = 1e-3


def feature_matching_loss(
    real: Sequence[Sequence[Masked]], generated: Sequence[Sequence[Masked]], *, kind: str = "absolute"
) -> Float[Array, " B"]:
    """Computes the loss of each row.

    Args:
      real, generated: the outputs [B T D] of the layers of each discriminator with the masks [B T] of their positions,
        which are the same in both.
      kind: one of `KINDS`.
    """
    total = jnp.zeros(generated[0][0][0].shape[0], jnp.float32)
    for of_real, of_generated in zip(real, generated, strict=True):
        pairs = list(zip(of_real, of_generated, strict=True))
        each = [_distance(jax.lax.stop_gradient(r), g, mask, kind) for (r, mask), (g, _) in pairs]
        total = total + sum(each) / len(each)
    return total / len(real)


def _distance(r: Array, g: Array, mask: Array, kind: str) -> Float[Array, " B"]:
    r, g = (jnp.where(mask[..., None], x.astype(jnp.float32), 0.0) for x in (r, g))
    count = jnp.maximum(mask.sum(1), 1)[:, None]
    away = jnp.abs(r - g).sum(1) / count
    if kind == "relative":
        away = away / (jnp.abs(r).sum(1) / count + GUARD)
    return away.mean(1)
