"""Adds overlapping frames up: the last step of an inverse short-time transform, and of a transposed convolution.

y[n hop + s] += x[n, s]
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def overlap_add(frames: Float[Array, "..."], hop: int) -> Float[Array, "..."]:
    """Adds frames [... N M], each `hop` after the one before: [... (N - 1 + ceil(M / hop)) hop], its end is zeros."""
    *batch, num_frames, size = frames.shape
    parts = -(-size // hop)
    axes = [(0, 0)] * len(batch)
    frames = jnp.pad(frames, [*axes, (0, 0), (0, parts * hop - size)])
    summed = sum(
        jnp.pad(frames[..., j * hop : (j + 1) * hop], [*axes, (j, parts - 1 - j), (0, 0)]) for j in range(parts)
    )
    return jnp.asarray(summed).reshape(*batch, (num_frames + parts - 1) * hop)
