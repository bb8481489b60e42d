"""Splits the rows of a batch over devices where XLA does not do so by itself.

XLA splits nearly every operation as its operands are split. A Fourier transform it gathers: each device would transform
the rows of all devices.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

F = TypeVar("F", bound=Callable[..., Any])
# The axis of the mesh over which batches are split.
ROWS = "data"


def traced_over(function: F, mesh: Mesh | None) -> F:
    """Returns the function, to be jitted, with `mesh` as the current mesh while it is traced; None changes nothing."""
    if mesh is None:
        return function

    @functools.wraps(function)  # its name is that of the program
    def split(*arguments: Any, **options: Any) -> Any:
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return function(*arguments, **options)

    return split  # pyright: ignore[reportReturnType]


def over_rows(function: Callable[[Any], Any], batch: Any) -> Any:
    """Runs `function(batch)`, [B ...] -> [B ...], on each device with its rows if the current mesh has the axis ROWS.

    The function must treat each row by itself. Rows that the devices do not divide stay together.
    """
    mesh = jax.sharding.get_abstract_mesh()
    devices = dict(mesh.shape).get(ROWS, 1)
    if devices == 1 or batch.shape[0] % devices:
        return function(batch)
    return jax.shard_map(function, in_specs=P(ROWS), out_specs=P(ROWS), check_vma=False)(batch)
