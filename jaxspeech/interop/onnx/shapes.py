"""Translates primitives that move elements around, and reductions."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax.lax import GatherScatterMode

from jaxspeech.errors import ConfigError
from jaxspeech.interop.onnx.graph import Graph, Tensor, same_shape

END = np.iinfo(np.int64).max


# These rules keep track of axes that are still 1 where the array is broadcast.


def _broadcast(graph: Graph, equation: Any, x: Tensor) -> Tensor:
    places, rank = equation.params["broadcast_dimensions"], len(equation.params["shape"])
    shape: list[Any] = [1] * rank
    for size, place in zip(x.shape, places, strict=True):
        shape[place] = size
    if x.value is not None:
        return graph.constant(x.value.reshape(shape))
    added = [axis for axis in range(rank) if axis not in places]
    return Tensor(graph.node("Unsqueeze", x.name, graph.integers(*added)) if added else x.name, tuple(shape))


def _squeeze(graph: Graph, equation: Any, x: Tensor) -> Tensor:
    axes = equation.params["dimensions"]
    shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    return Tensor(graph.node("Squeeze", x.name, graph.integers(*axes)), shape)


def _transpose(graph: Graph, equation: Any, x: Tensor) -> Tensor:
    order = equation.params["permutation"]
    return Tensor(graph.node("Transpose", x.name, perm=order), tuple(x.shape[axis] for axis in order))


def _iota(graph: Graph, equation: Any) -> Tensor:
    axis, shape = equation.params["dimension"], equation.params["shape"]
    stop = graph.node("Squeeze", graph.size(shape[axis]), graph.integers(0))
    zero, one = (graph.constant(np.array(i, np.int64)).name for i in (0, 1))
    numbers = graph.cast(Tensor(graph.node("Range", zero, stop, one), ()), equation.params["dtype"]).name
    others = [other for other in range(len(shape)) if other != axis]
    if others:
        numbers = graph.node("Unsqueeze", numbers, graph.integers(*others))
    return Tensor(numbers, tuple(size if place == axis else 1 for place, size in enumerate(shape)))


LAZY: dict[str, Callable[..., Tensor]] = {
    "broadcast_in_dim": _broadcast,
    "iota": _iota,
    "squeeze": _squeeze,
    "transpose": _transpose,
}


# These rules take and return arrays in their full shapes.


def _reshape(graph: Graph, equation: Any, x: Tensor) -> str:
    wanted = equation.params["new_sizes"]
    return x.name if same_shape(x.shape, wanted) else graph.node("Reshape", x.name, graph.shape(wanted))


def _concatenate(graph: Graph, equation: Any, *inputs: Tensor) -> str:
    return graph.node("Concat", *(x.name for x in inputs), axis=equation.params["dimension"])


def _stack(graph: Graph, equation: Any, *inputs: Tensor) -> str:
    axis = equation.params["axis"]
    return graph.node("Concat", *(graph.node("Unsqueeze", x.name, graph.integers(axis)) for x in inputs), axis=axis)


def _unstack(graph: Graph, equation: Any, x: Tensor) -> list[str]:
    axis, number = equation.params["axis"], len(equation.outvars)
    parts = graph.nodes_outputs("Split", number, x.name, graph.integers(*[1] * number), axis=axis)
    return [graph.node("Squeeze", part, graph.integers(axis)) for part in parts]


def _tile(graph: Graph, equation: Any, x: Tensor) -> str:
    return graph.node("Tile", x.name, graph.shape(equation.params["reps"]))


def _split(graph: Graph, equation: Any, x: Tensor) -> list[str]:
    axis, sizes = equation.params["axis"], equation.params["sizes"]
    return graph.nodes_outputs("Split", len(sizes), x.name, graph.shape(sizes), axis=axis)


def _slice(graph: Graph, equation: Any, x: Tensor) -> str:
    starts, stops = equation.params["start_indices"], equation.params["limit_indices"]
    steps = equation.params["strides"] or (1,) * len(starts)
    cut = [
        axis
        for axis, size in enumerate(x.shape)
        if not (same_shape([starts[axis], stops[axis]], [0, size]) and steps[axis] == 1)
    ]
    if not cut:
        return x.name
    vectors = [graph.shape([part[axis] for axis in cut]) for part in (starts, stops)]
    return graph.node("Slice", x.name, *vectors, graph.integers(*cut), graph.integers(*(steps[axis] for axis in cut)))


def _dynamic_slice(graph: Graph, equation: Any, x: Tensor, *starts: Tensor) -> str:
    begins = [graph.node("Reshape", graph.cast(start, np.int64).name, graph.integers(1)) for start in starts]
    for axis, (begin, size) in enumerate(zip(begins, equation.params["slice_sizes"], strict=True)):
        x = _window(graph, x, axis, begin, size)
    return x.name


def _window(graph: Graph, x: Tensor, axis: int, begin: str, size: Any) -> Tensor:
    """Takes `size` elements along an axis from `begin` on, or from earlier if fewer are left after it."""
    if same_shape([size], [x.shape[axis]]):
        return x
    last = graph.size(x.shape[axis] - size)
    begin = graph.node("Min", graph.node("Max", begin, graph.integers(0)), last)
    end = graph.node("Add", begin, graph.size(size))
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    return Tensor(graph.node("Slice", x.name, begin, end, graph.integers(axis)), shape)


def _reverse(graph: Graph, equation: Any, x: Tensor) -> str:
    axes = equation.params["dimensions"]
    vectors = ([-1] * len(axes), [-END] * len(axes), axes, [-1] * len(axes))
    return graph.node("Slice", x.name, *(graph.integers(*vector) for vector in vectors))


def _pad(graph: Graph, equation: Any, x: Tensor, value: Tensor) -> str:
    before, after, between = zip(*equation.params["padding_config"], strict=True)
    if any(between):
        raise ConfigError("this model cannot be exported to ONNX: its padding between elements has no translation")
    if same_shape(before + after, (0,) * len(before) * 2):
        return x.name
    return graph.node("Pad", x.name, graph.shape(before + after), value.name)


def _gather(graph: Graph, equation: Any, x: Tensor, indices: Tensor) -> str:
    """Translates the gathers that indexing creates: a window, rows of a table, or rows of one table per batch row."""
    params, numbers = equation.params, equation.params["dimension_numbers"]
    axes, collapsed, sizes = numbers.start_index_map, numbers.collapsed_slice_dims, params["slice_sizes"]
    filled = params["mode"] not in (GatherScatterMode.PROMISE_IN_BOUNDS, GatherScatterMode.CLIP)
    if len(indices.shape) == 1 and not filled:
        starts = graph.cast(indices, np.int64).name
        for i, axis in enumerate(axes):
            begin = graph.node("Slice", starts, graph.integers(i), graph.integers(i + 1))
            x = _window(graph, x, axis, begin, sizes[axis])
        return graph.node("Squeeze", x.name, graph.integers(*collapsed)) if collapsed else x.name

    axis, num_indices, num_batch = axes[0], len(indices.shape) - 1, len(numbers.operand_batching_dims)
    batch = tuple(range(num_batch))
    others = [other for other in range(len(x.shape)) if other not in (axis, *batch)]
    places = tuple(other if other < axis else other + num_indices - 1 - num_batch for other in others)
    known = tuple(axes) == tuple(collapsed) == (axis,) and tuple(numbers.offset_dims) == places
    known &= numbers.operand_batching_dims == batch == numbers.start_indices_batching_dims
    known &= axis == num_batch or not batch
    if not known or not same_shape([x.shape[other] for other in others], [sizes[other] for other in others]):
        raise ConfigError("this model cannot be exported to ONNX: one of its gathers has no translation")
    last_axis = graph.integers(num_indices)
    index = graph.cast(Tensor(graph.node("Squeeze", indices.name, last_axis), ()), np.int64).name
    zero = graph.constant(np.zeros((), np.int64)).name
    last = graph.node("Squeeze", graph.size(x.shape[axis] - 1), graph.integers(0))
    clipped = graph.node("Min", graph.node("Max", index, zero), last)
    if batch:
        rows = graph.node("GatherND", x.name, graph.node("Unsqueeze", clipped, last_axis), batch_dims=num_batch)
    else:
        rows = graph.node("Gather", x.name, clipped, axis=axis)
    if not filled:
        return rows
    fill = np.nan if params["fill_value"] is None else params["fill_value"]
    inside = graph.node("And", graph.node("GreaterOrEqual", index, zero), graph.node("LessOrEqual", index, last))
    inside = graph.node("Unsqueeze", inside, graph.integers(*places)) if places else inside
    return graph.node("Where", inside, rows, graph.constant(np.asarray(fill, equation.outvars[0].aval.dtype)).name)


def _reduce(name: str) -> Callable[..., str]:
    def rule(graph: Graph, equation: Any, x: Tensor) -> str:
        return graph.node(name, x.name, axes=equation.params["axes"], keepdims=0)

    return rule


def _reduce_sum(graph: Graph, equation: Any, x: Tensor) -> str:
    return graph.node("ReduceSum", x.name, graph.integers(*equation.params["axes"]), keepdims=0)


def _reduce_truth(name: str) -> Callable[..., str]:
    def rule(graph: Graph, equation: Any, x: Tensor) -> str:
        numbers = graph.cast(x, np.int32).name
        found = graph.node(name, numbers, axes=equation.params["axes"], keepdims=0)
        return graph.cast(Tensor(found, ()), np.bool_).name

    return rule


def _arg(name: str) -> Callable[..., str]:
    def rule(graph: Graph, equation: Any, x: Tensor) -> str:
        (axis,) = equation.params["axes"]
        found = graph.node(name, x.name, axis=axis, keepdims=0)
        return graph.cast(Tensor(found, ()), equation.params["index_dtype"]).name

    return rule


def _cumulative_sum(graph: Graph, equation: Any, x: Tensor) -> str:
    axis = graph.constant(np.array(equation.params["axis"], np.int64)).name
    return graph.node("CumSum", x.name, axis, reverse=int(equation.params["reverse"]))


def _size_as_value(graph: Graph, equation: Any) -> str:
    size = graph.node("Squeeze", graph.size(equation.params["dim"]), graph.integers(0))
    return graph.cast(Tensor(size, ()), equation.outvars[0].aval.dtype).name


SHAPES: dict[str, Callable[..., str | list[str]]] = {
    "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"),
    "concatenate": _concatenate,
    "cumsum": _cumulative_sum,
    "dim_as_value": _size_as_value,
    "dynamic_slice": _dynamic_slice,
    "gather": _gather,
    "pad": _pad,
    "reduce_and": _reduce_truth("ReduceMin"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_or": _reduce_truth("ReduceMax"),
    "reduce_prod": _reduce("ReduceProd"),
    "reduce_sum": _reduce_sum,
    "reshape": _reshape,
    "rev": _reverse,
    "slice": _slice,
    "split": _split,
    "stack": _stack,
    "tile": _tile,
    "unstack": _unstack,
}
