"""Gathers weights that are split over devices where they are used, and splits their gradients again.

Fully sharded data parallelism (Rajbhandari et al., 2020): each device keeps a part of every weight, and all parts of a
layer's weights only while it computes that layer. Left to itself, XLA multiplies by the parts instead and sums or
gathers the activations over the devices, which are many times larger.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

import jax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

# The name of gathered weights in rematerialisation policies: they are gathered again for the backward pass.
GATHERED = "gathered"


class Split(NamedTuple):
    """How parameters are split.

    Attributes:
      shardings: a NamedSharding for every parameter, stacks of layers included.
      axis: the axis of the mesh over which they are gathered.
    """

    shardings: Mapping[str, Any]
    axis: str


_split: ContextVar[Split | None] = ContextVar("split", default=None)


@contextlib.contextmanager
def gathering(shardings: Mapping[str, Any] | None, *, axis: str) -> Iterator[None]:
    """Makes encoders gather the weights of each layer as it is computed; does nothing if no weight is split.

    Args:
      shardings: a NamedSharding for every parameter; None: they are not split.
      axis: the axis of the mesh over which they are gathered.
    """
    split = any(_is_split(sharding, axis) for sharding in jax.tree.leaves(shardings))
    token = _split.set(Split(shardings or {}, axis) if split else None)
    try:
        yield
    finally:
        _split.reset(token)


@contextlib.contextmanager
def in_branch(name: str) -> Iterator[None]:
    """Has a model whose parameters are a branch of those that are split find its own by their paths."""
    split = _split.get()
    token = _split.set(None if split is None else Split(split.shardings[name], split.axis))
    try:
        yield
    finally:
        _split.reset(token)


def layer_gather(path: tuple[str, ...]) -> Callable[[Any], Any] | None:
    """Returns the function that gathers the variables of one layer of a stack; None if there is nothing to gather.

    Args:
      path: of the stack among the parameters, such as ("encoder", "layers").
    """
    split = _split.get()
    if split is None:
        return None
    shardings: Any = split.shardings
    for name in path:
        shardings = shardings[name]
    layers = jax.tree.map(lambda s: NamedSharding(s.mesh, P(*s.spec[1:])), shardings)
    return lambda variables: {**variables, "params": gather(variables["params"], layers, axis=split.axis)}


def gather_unstacked(params: Any, *, stack: str = "layers") -> Any:
    """Gathers all parameters but those of stacks of layers, which the encoder gathers one by one."""
    split = _split.get()
    if split is None:
        return params

    def gathered(path: Any, x: Any, sharding: NamedSharding) -> Any:
        return x if any(entry.key == stack for entry in path) else _gather(x, sharding, split.axis)

    return jax.tree_util.tree_map_with_path(gathered, params, split.shardings)


def gather(params: Any, shardings: Any, *, axis: str) -> Any:
    """Gathers parameters over an axis of the mesh; their gradients are split as the parameters were."""
    return jax.tree.map(lambda x, sharding: _gather(x, sharding, axis), params, shardings)


def _is_split(sharding: NamedSharding, axis: str) -> bool:
    return axis in sharding.spec and sharding.mesh.shape[axis] > 1


def _gather(x: Any, split: NamedSharding, axis: str) -> Any:
    if not _is_split(split, axis):
        return x
    whole = NamedSharding(split.mesh, P(*(None if name == axis else name for name in split.spec)))

    @jax.custom_vjp
    def gathered(x: Any) -> Any:
        return checkpoint_name(jax.lax.with_sharding_constraint(x, whole), GATHERED)

    def backward(_: None, gradient: Any) -> tuple[Any]:
        return (jax.lax.with_sharding_constraint(gradient, split),)

    gathered.defvjp(lambda x: (gathered(x), None), backward)
    return gathered(x)
