"""Splits the rows of a batch over devices where XLA does not do so by itself.

XLA splits nearly every operation as its operands are split. A Fourier transform it gathers: each device would transform
the rows of all devices.
"""

import functools
import os
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxspeech.types import Size

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

    Both may be trees of arrays. The function must treat each row by itself. Rows that the devices do not divide stay
    together.
    """
    if parts_of_rows(jax.tree.leaves(batch)[0].shape[0]) == 1:
        return function(batch)
    return jax.shard_map(function, in_specs=P(ROWS), out_specs=P(ROWS), check_vma=False)(batch)


def kernels_over_rows(function: Callable[..., Any], whole: Any, *split: Any) -> Any:
    """Runs a function on each device with its rows: one with GPU kernels, which XLA cannot split, or with long loops.

    Args:
      function: (index of the device's first row, whole, *split) -> arrays whose first axes are those of rows, or of
        sums over the device's rows.
      whole: arrays that each device needs whole.
      split: arrays [B ...] and trees of these; `rows_split` of B is not 0.
    """
    devices = rows_split(jax.tree.leaves(split)[0].shape[0])
    if devices == 1:
        return function(0, whole, *split)

    def of_a_device(whole: Any, *split: Any) -> Any:
        return function(jax.lax.axis_index(ROWS) * jax.tree.leaves(split)[0].shape[0], whole, *split)

    in_specs = (P(), *(P(ROWS) for _ in split))
    return jax.shard_map(of_a_device, in_specs=in_specs, out_specs=P(ROWS), check_vma=False)(whole, *split)


def parts_of_rows(num_rows: Size) -> int:
    """Returns into how many equal parts XLA splits rows over the devices of the current mesh; 1 if it does not."""
    devices = dict(jax.sharding.get_abstract_mesh().shape).get(ROWS, 1)
    return 1 if num_rows % devices else devices


def rows_split(num_rows: int) -> int:
    """Returns how many devices of the current mesh rows are split over; 0 if they cannot be split over rows alone."""
    sizes = dict(jax.sharding.get_abstract_mesh().shape)
    devices = sizes.pop(ROWS, 1)
    return 0 if num_rows % devices or any(size > 1 for size in sizes.values()) else devices


def gpu_kernels() -> bool:
    """Whether this package's own GPU kernels may run; JAXSPEECH_KERNELS=off has XLA compute the same."""
    return os.environ.get("JAXSPEECH_KERNELS") != "off"
