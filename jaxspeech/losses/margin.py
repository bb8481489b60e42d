"""Additive angular margin loss (Deng et al., "ArcFace", 2019): softmax over cosines, with a margin for the true class.

loss = -log(e^n / (e^n + sum_{j != y} e^(s c[j]))),    n = s cos(arccos(c[y]) + m)
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

# Largest cosine whose arccosine has a finite gradient in float32.
LARGEST_COSINE = 1 - 1e-7


def angular_margin_loss(
    cosines: Float[Any, "B C"], labels: Int[Any, " B"], *, scale: int | float = 30.0, margin: int | float = 0.2
) -> Float[Array, " B"]:
    """Computes the loss of each row in float32, by a log-sum-exp that cannot overflow.

    Args:
      cosines: of the angles between an embedding and the classes. They may exceed 1, as in NeMo's models, which do not
        normalise the weights of the classes; only that of the true class is then clamped, without a gradient.
      labels: of the true classes.
      scale: s, factor of the cosines.
      margin: m, in radians.
    """
    cosines, labels = jnp.asarray(cosines, jnp.float32), jnp.asarray(labels)
    classes = jnp.arange(cosines.shape[-1])
    of_label = jnp.take_along_axis(cosines, jnp.clip(labels, 0, len(classes) - 1)[:, None], 1)
    cosine = jnp.clip(of_label, -LARGEST_COSINE, LARGEST_COSINE)
    # cos(arccos c + m), without the arccosine.
    sine = jnp.sqrt((1 - cosine) * (1 + cosine))
    true = scale * (cosine * jnp.cos(margin) - sine * jnp.sin(margin))
    logits = jnp.where(classes == labels[:, None], true, scale * cosines)
    return jax.nn.logsumexp(logits, axis=-1) - true[:, 0]
