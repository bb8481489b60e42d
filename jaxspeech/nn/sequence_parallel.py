"""The frames of a recording split over devices: each holds as many, and gets of its neighbours what it sees of theirs.

A mesh with the axis TIME (`jax.set_mesh`) says that time is split. Layers without it are the compiler's: what looks at
one frame at a time needs no exchange, and convolutions exchange by themselves.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

TIME = "time"


def time_shards() -> int:
    """Devices that the mesh in force splits time over; 1 without one."""
    return dict(jax.sharding.get_abstract_mesh().shape).get(TIME, 1)


def pad_time(x: Any, *, before: int, after: int) -> Any:
    """[B T ...] with zeros in front and behind."""
    return jnp.pad(x, [(0, 0), (before, after)] + [(0, 0)] * (x.ndim - 2))


def with_neighbours(x: Any, *, before: int, after: int) -> Any:
    """`pad_time` of the whole, of which this device has the part `x` [B C ...]: the frames around come from others."""
    shards, size = time_shards(), x.shape[1]

    def frames_from(distance: int, part: Any) -> Any:
        """The part that the device `distance` places before this one sends; zeros where there is none."""
        return jax.lax.ppermute(part, TIME, [(i, i + distance) for i in range(shards) if 0 <= i + distance < shards])

    front, behind = [], []
    for hop in range(1, -(-before // size) + 1):
        needed = min(before - (hop - 1) * size, size)
        front.insert(0, frames_from(hop, x[:, size - needed :]))
    for hop in range(1, -(-after // size) + 1):
        behind.append(frames_from(-hop, x[:, : min(after - (hop - 1) * size, size)]))
    return jnp.concatenate([*front, x, *behind], axis=1)


def over_time(function: Callable[..., Any], split: tuple[Any, ...], whole: tuple[Any, ...]) -> Any:
    """`function(*split, *whole)` on each device's part of the time of `split` [B T ...], and all of `whole`."""
    return jax.shard_map(
        function, in_specs=(*(P(None, TIME) for _ in split), *(P() for _ in whole)), out_specs=P(None, TIME)
    )(*split, *whole)
