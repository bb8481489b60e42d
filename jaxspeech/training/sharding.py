"""Where arrays live: a mesh with the axes `data` and `model`, and one ordered table of rules for the state.

Batches are split over `data`. Each leaf of the state takes the PartitionSpec of the first rule whose regular
expression is found in its path, such as "variables/params/encoder/layers/conv/kernel" or
"opt_state/1/mu/encoder/layers/conv/kernel": a rule on the end of a path places a parameter and its moments alike.
"""

import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.errors import ConfigError
from jaxspeech.training.parameters import path_name
from jaxspeech.types import Batch

Rules = Sequence[tuple[str, P]]
REPLICATED: Rules = [(r".*", P())]


def make_mesh(*, data: int = -1, model: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """A `data` x `model` mesh of `devices` (default: all); -1 for `data` takes what `model` leaves.

    Raises:
      ConfigError: the devices do not fit.
    """
    devices = jax.devices() if devices is None else devices
    data = len(devices) // model if data == -1 else data
    if data < 1 or model < 1 or data * model != len(devices):
        raise ConfigError(f"mesh: data {data} x model {model} does not use the {len(devices)} devices that are there")
    # Auto: the compiler places what happens inside a step. Explicit, JAX's default, wants a sharding on each operation.
    return jax.make_mesh((data, model), ("data", "model"), axis_types=(AxisType.Auto,) * 2, devices=devices)


def state_shardings(state: Any, mesh: Mesh, rules: Rules = REPLICATED) -> Any:
    """A NamedSharding for every leaf of `state` (arrays, or their shapes as jax.eval_shape gives them).

    Raises:
      ConfigError: no rule covers a leaf.
    """

    def place(path: Any, leaf: Any) -> NamedSharding:
        for pattern, spec in rules:
            if re.search(pattern, path_name(path)):
                return NamedSharding(mesh, spec)
        raise ConfigError(f"no sharding rule covers {path_name(path)} {leaf.shape}; end the table with (r'.*', P())")

    return jax.tree_util.tree_map_with_path(place, state)


def put_batch(batch: Batch, mesh: Mesh) -> Batch:
    """This process's rows of a NumPy batch, on its devices, split over `data`. Returns before the copy is done."""
    sharding = NamedSharding(mesh, P("data"))
    return Batch(*(jax.make_array_from_process_local_data(sharding, array) for array in batch))
