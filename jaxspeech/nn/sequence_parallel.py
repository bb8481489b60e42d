"""Sequence parallelism: the time axis is split over devices, which exchange the frames at their borders.

It is on where the current mesh (`jax.set_mesh`) has the axis TIME. Layers that do not use this module are left to the
compiler: those that work on single frames need no exchange, and XLA inserts that of its own convolutions.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

TIME = "time"


def time_shards() -> int:
    """Returns over how many devices the current mesh splits time; 1 without a mesh."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(TIME, 1)


def pad_time(x: Any, *, before: int, after: int) -> Any:
    """Pads [B T ...] with zeros before and after."""
    return jnp.pad(x, [(0, 0), (before, after)] + [(0, 0)] * (x.ndim - 2))


def with_neighbours(x: Any, *, before: int, after: int) -> Any:
    """Extends this device's part `x` [B C ...] by the frames around it, from other devices; zeros outside the whole."""
    shards, size = time_shards(), x.shape[1]

    def frames_from(distance: int, part: Any) -> Any:
        """Receives `part` of the device `distance` places before this one; zeros where there is no such device."""
        return jax.lax.ppermute(part, TIME, [(i, i + distance) for i in range(shards) if 0 <= i + distance < shards])

    front, back = [], []
    for hop in range(1, -(-before // size) + 1):
        needed = min(before - (hop - 1) * size, size)
        front.insert(0, frames_from(hop, x[:, size - needed :]))
    for hop in range(1, -(-after // size) + 1):
        back.append(frames_from(-hop, x[:, : min(after - (hop - 1) * size, size)]))
    return jnp.concatenate([*front, x, *back], axis=1)


def over_time(function: Callable[..., Any], split: tuple[Any, ...], whole: tuple[Any, ...]) -> Any:
    """Runs `function(*split, *whole)` on each device, with its part in time of `split` [B T ...] and all of `whole`."""
    return jax.shard_map(
        function, in_specs=(*(P(None, TIME) for _ in split), *(P() for _ in whole)), out_specs=P(None, TIME)
    )(*split, *whole)
