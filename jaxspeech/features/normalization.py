"""Normalises each utterance's features to mean 0 and standard deviation 1 over its real frames.

    y = (x - mean) / (std + 1e-5),   std^2 = sum (x - mean)^2 / (n - 1)

"per_feature" computes a mean and deviation for each feature (n frames), "all_features" for all of them together
(n frames times F). Sums are taken in two passes, so that a large mean costs no precision.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxspeech.features.spectrum import TINY
from jaxspeech.masks import zero_padding

# Normalisation -> the axes of [B T F] that share one mean.
SHARED_AXES = {"per_feature": (1,), "all_features": (1, 2)}
NORMALIZATIONS = (*SHARED_AXES, "none")

STD_FLOOR = 1e-5


def normalize(features: Float[Any, "B T F"], num_frames: Int[Any, " B"], *, over: str) -> Float[Array, "B T F"]:
    """Normalises rows "per_feature" or over "all_features", in float32, and zeros the padding; "none" only zeros it.

    A row with a single value to average over becomes zero.
    """
    num_frames = jnp.asarray(num_frames)
    features = zero_padding(jnp.asarray(features, jnp.float32), num_frames)
    if over == "none":
        return features
    axes = SHARED_AXES[over]
    count = num_frames[:, None, None] * (features.shape[2] if 2 in axes else 1)
    mean = jnp.sum(features, axes, keepdims=True) / jnp.maximum(count, 1)
    centred = zero_padding(features - mean, num_frames)
    variance = jnp.sum(centred**2, axes, keepdims=True) / jnp.maximum(count - 1, 1)
    return centred / (jnp.sqrt(variance + TINY) + STD_FLOOR)
