"""Losses of generators and discriminators, from the discriminators' scores, high for what they take for real.

    squares    discriminator  mean (1 - r)^2 + mean g^2             generator  mean (1 - g)^2         Mao et al., 2017
    hinge      discriminator  mean max(0, 1 - r) + mean max(0, 1 + g)          mean max(0, 1 - g)     Lim and Ye, 2017
    features   2 sum over layers of mean |R - G|                                                     MelGAN, 2019

r and g are scores of real and generated audio, R and G outputs of a layer. The means are over the real positions of a
row, the sums over all discriminators; NeMo 3.0.0: tts/losses/hifigan_losses.py.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Values [B T ...], and which positions [B T] are real; discriminators differ in T.
Masked = tuple[Float[Any, "..."], Bool[Any, "..."]]
FEATURES_FACTOR = 2.0


class Distance(NamedTuple):
    """Losses of a score: of the discriminator for a real and a generated position, and of the generator."""

    real: Callable[[Array], Array]
    generated: Callable[[Array], Array]
    generator: Callable[[Array], Array]


DISTANCES = {
    "squares": Distance(lambda r: (1 - r) ** 2, lambda g: g**2, lambda g: (1 - g) ** 2),
    "hinge": Distance(lambda r: jax.nn.relu(1 - r), lambda g: jax.nn.relu(1 + g), lambda g: jax.nn.relu(1 - g)),
}


def row_means(values: Float[Any, "B T ..."], mask: Bool[Any, "B T"]) -> Float[Array, " B"]:
    """The mean of each row over its real positions, in float32; 0 without one. Other positions may hold anything."""
    mask = jnp.asarray(mask)
    real = mask.reshape(mask.shape + (1,) * (values.ndim - 2))
    axes = tuple(range(1, values.ndim))
    each = values.astype(jnp.float32)
    count = jnp.maximum(mask.sum(1), 1) * math.prod(values.shape[2:])
    return jnp.where(real, each, 0.0).sum(axes) / count


def discriminator_loss(
    real: Sequence[Masked], generated: Sequence[Masked], *, distance: str = "squares"
) -> Float[Array, " B"]:
    """Computes the discriminators' loss of each row.

    Args:
      real, generated: scores of each discriminator.
      distance: "squares" or "hinge".
    """
    of = DISTANCES[distance]
    pairs = zip(real, generated, strict=True)
    each = [row_means(of.real(r), rm) + row_means(of.generated(g), gm) for (r, rm), (g, gm) in pairs]
    return jnp.stack(each).sum(0)


def generator_loss(generated: Sequence[Masked], *, distance: str = "squares") -> Float[Array, " B"]:
    """Computes the generator's loss of each row from the scores of each discriminator."""
    return jnp.stack([row_means(DISTANCES[distance].generator(g), mask) for g, mask in generated]).sum(0)


def feature_loss(real: Sequence[Masked], generated: Sequence[Masked]) -> Float[Array, " B"]:
    """Computes how far what the discriminators see in generated audio is from what they see in real audio.

    Args:
      real, generated: the output of each layer of each discriminator, with the same positions.
    """
    pairs = zip(real, generated, strict=True)
    return FEATURES_FACTOR * jnp.stack([row_means(jnp.abs(r - g), mask) for (r, mask), (g, _) in pairs]).sum(0)
