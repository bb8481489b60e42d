"""The nodes (t, u) of a lattice in the order of its anti-diagonals n = t + u, which a scan can compute one by one."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def skew(x: Float[Array, "B T N C"]) -> Float[Array, "n C N B"]:
    """Arranges nodes by the T + N anti-diagonals n = t + u; -inf where t is out of range."""
    rows, frames, places, columns = x.shape
    # Padded to rows of T + N + 1 and read in rows of T + N, label row u is shifted right by u.
    padded = jnp.pad(x.transpose(2, 1, 3, 0), ((0, 0), (0, places + 1), (0, 0), (0, 0)), constant_values=-jnp.inf)
    flat = padded.reshape(places * (frames + places + 1), columns, rows)[: places * (frames + places)]
    return flat.reshape(places, frames + places, columns, rows).transpose(1, 2, 0, 3)


def unskew(x: Float[Array, "n C N B"], frames: int) -> Float[Array, "B T N C"]:
    """Inverts `skew`."""
    diagonals, columns, places, rows = x.shape
    flat = x.transpose(2, 0, 1, 3).reshape(places * diagonals, columns, rows)
    padded = jnp.pad(flat, ((0, places), (0, 0), (0, 0))).reshape(places, diagonals + 1, columns, rows)
    return padded[:, :frames].transpose(3, 1, 0, 2)
