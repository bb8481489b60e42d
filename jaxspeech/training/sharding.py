"""Places arrays on devices: a mesh with the axes `data` and `model`, and one ordered table of rules for the state.

Batches are split over `data`. Each leaf of the state takes the PartitionSpec of the first rule whose regular
expression is found in its path, such as "variables/params/encoder/layers/conv/kernel" or
"opt_state/1/mu/encoder/layers/conv/kernel": a rule on the end of a path places a parameter and its moments alike.

A spec describes a leaf's last axes, so one rule serves both a layer and a stack of layers, [L, ...]. An axis whose size
is not divisible by its number of devices is not split.

    replicated    every device holds everything
    fsdp          parameters and moments split over `data`; each layer's weights are gathered as it is computed
    tensor        products split over `model`: the first of a pair by its outputs, the second by its inputs
    fsdp_tensor   both
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.training.parameters import path_name

Rules = Sequence[tuple[str, P]]
# Everything that can be split, over both axes; the first match decides.
RULES: Rules = [
    (r"batch_stats/", P()),
    # Megatron's pairs (Shoeybi et al., 2019): activations between the two products are split and not communicated.
    (r"(up|gate|query|key|value|position|pointwise_in)/kernel$", P("data", "model")),
    (r"(down|attention/out|pointwise_out)/kernel$", P("model", "data")),
    (r"(up|query|key|value|pointwise_in|depthwise|convolution/norm)/(bias|scale)$", P("model")),
    (r"bias_[uv]$", P("model", None)),
    # The logits of a language model are split by tokens, whether its output layer is the table of tokens or not.
    (r"decoder/embedding/table$", P("model", "data")),
    (r"decoder/head/kernel$", P("data", "model")),
    # The joint's logits, the largest array of a transducer, are split by outputs: `model` has to divide V + 1.
    (r"joint/out/kernel$", P("data", "model")),
    (r"joint/out/bias$", P("model")),
    (r"(hidden|input)_\d+/kernel$", P("data", "model")),
    # By channels, not over `data`: else the compiler would split the activations by channels too, instead of by rows.
    (r"depthwise/kernel$", P("model")),
    (r"conv_\d+/kernel$", P()),
    (r"kernel$", P("data", None)),
    (r".*", P()),
]
REPLICATED: Rules = [(r".*", P())]
# Name -> the mesh axes over which it splits the state.
SHARDINGS: dict[str, tuple[str, ...]] = {
    "replicated": (),
    "fsdp": ("data",),
    "tensor": ("model",),
    "fsdp_tensor": ("data", "model"),
}


def make_mesh(*, data: int = -1, model: int = 1, devices: Sequence[Any] | None = None) -> Mesh:
    """Makes a `data` x `model` mesh of `devices` (default: all); `data` = -1 uses all that `model` leaves.

    Raises:
      ConfigError: the sizes do not match the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    if model < 1 or len(devices) % model:
        raise ConfigError(f"mesh: model is {model}; it has to divide the {len(devices)} devices that are there")
    data = len(devices) // model if data == -1 else data
    if data * model != len(devices):
        raise ConfigError(
            f"mesh: data {data} x model {model} does not use the {len(devices)} devices that are there; "
            "data = -1 takes all that model leaves"
        )
    # With Auto the compiler places each operation; Explicit, JAX's default, requires a sharding for each.
    return jax.make_mesh((data, model), ("data", "model"), axis_types=(AxisType.Auto,) * 2, devices=devices)


def make_rules(sharding: str | Sequence[Sequence[Any]]) -> Rules:
    """The rules for a value of `config.sharding`.

    Args:
      sharding: a key of SHARDINGS, or a custom table: (regular expression, (axis or None, ...)) pairs.

    Raises:
      ConfigError: the name or an axis is unknown, or the table is malformed.
    """
    if not isinstance(sharding, str):
        try:
            table = [(re.compile(pattern).pattern, P(*axes)) for pattern, axes in sharding]
        except (TypeError, ValueError, re.error) as error:
            raise ConfigError(
                f'sharding is {sharding}; a table holds pairs such as ("up/kernel$", (None, "model"))'
            ) from error
        for axis in (axis for _, spec in table for axis in spec if axis is not None):
            if axis not in ("data", "model"):
                raise ConfigError(f'sharding: the mesh has no axis "{axis}"; it has data and model')
        return table
    if sharding not in SHARDINGS:
        raise ConfigError(f'sharding "{sharding}" is unknown{did_you_mean(sharding, SHARDINGS)}')
    kept = SHARDINGS[sharding]
    return [(pattern, P(*(axis if axis in kept else None for axis in spec))) for pattern, spec in RULES]


def state_shardings(state: Any, mesh: Mesh | AbstractMesh, rules: Rules = REPLICATED) -> Any:
    """Returns a NamedSharding for every leaf of `state` (arrays, or their shapes from jax.eval_shape).

    Raises:
      ConfigError: no rule covers a leaf.
    """

    def place(path: Any, leaf: Any) -> NamedSharding:
        for pattern, spec in rules:
            if re.search(pattern, path_name(path)):
                return NamedSharding(mesh, fit(spec, leaf.shape, mesh))
        raise ConfigError(f"no sharding rule covers {path_name(path)} {leaf.shape}; end the table with (r'.*', P())")

    return jax.tree_util.tree_map_with_path(place, state)


def fit(spec: P, shape: tuple[int, ...], mesh: Mesh | AbstractMesh) -> P:
    """Fits `spec` to the last axes of `shape`; axes that cannot be divided evenly are not split."""
    axes = [None] * (len(shape) - len(spec)) + list(spec)[max(len(spec) - len(shape), 0) :]
    return P(*(a if a and size % mesh.shape[a] == 0 else None for a, size in zip(axes, shape, strict=True)))


def put_batch(batch: Any, mesh: Mesh) -> Any:
    """Puts this process's rows of a NumPy batch on its devices, split over `data`. Returns before they are copied."""
    sharding = NamedSharding(mesh, P("data"))
    _, count = process_share(mesh)

    def put(rows: Any) -> jax.Array:
        return jax.make_array_from_process_local_data(sharding, rows, (len(rows) * count, *rows.shape[1:]))

    return jax.tree.map(put, batch)


def process_share(mesh: Mesh) -> tuple[int, int]:
    """Returns (i, n): this process's devices hold part i of n equal parts of a batch; n is 1 if each holds all of it.

    Of devices that are only described (see `targets.target`), it holds all.

    Raises:
      ConfigError: its devices are not adjacent on the axis `data`.
    """
    shards = mesh.shape["data"]
    places = NamedSharding(mesh, P("data")).addressable_devices_indices_map((shards,)).values()
    if not places:
        return 0, 1
    mine = sorted({place[0].indices(shards)[0] for place in places if place is not None})
    first, size = mine[0], len(mine)
    if mine != list(range(first, first + size)) or shards % size or first % size:
        raise ConfigError(f"mesh: a process has parts {mine} of {shards}; choose `model` so that they are adjacent")
    return first // size, shards // size


def bytes_per_device(shapes: Any, shardings: Any) -> int:
    """Bytes that one device holds of arrays with these shapes and shardings."""
    sizes = jax.tree.map(lambda x, s: math.prod(s.shard_shape(x.shape)) * x.dtype.itemsize, shapes, shardings)
    return sum(jax.tree.leaves(sizes))
