"""Sinusoidal positions, absolute (Vaswani et al., 2017) and relative (Dai et al., 2019, appendix B).

P[p, 2i] = sin(p / 10000^(2i/D)),    P[p, 2i+1] = cos(p / 10000^(2i/D))
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxspeech.types import Size


def sinusoids(positions: Float[Array, " P"], width: int) -> Float[Array, "P D"]:
    """Computes sine and cosine of each position, interleaved along the width (which must be even), in float32."""
    rates = jnp.exp(jnp.arange(0, width, 2, dtype=jnp.float32) * -(math.log(10000.0) / width))
    angles = positions[:, None] * rates
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(positions.shape[0], width)


def absolute_positions(num_frames: Size, width: int) -> Float[Array, "T D"]:
    """Encodes the positions 0, 1, ..., T-1."""
    return sinusoids(jnp.arange(num_frames, dtype=jnp.float32), width)


def relative_positions(left: Size, right: Size, width: int) -> Float[Array, "R D"]:
    """Encodes the distances left, ..., 0, ..., -right of a key before its query; R = left + right + 1."""
    return sinusoids(jnp.arange(left, -right - 1, -1, dtype=jnp.float32), width)
