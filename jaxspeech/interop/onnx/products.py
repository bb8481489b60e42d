"""Translates matrix products, convolutions and pooling to ONNX nodes."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxspeech.errors import ConfigError
from jaxspeech.interop.onnx.graph import Graph, Tensor, same_shape


def dot_general(graph: Graph, equation: Any, left: Tensor, right: Tensor) -> str:
    """Translates to MatMul of [batch, rows, inner] and [batch, inner, columns]; a left side of that form is kept."""
    (left_inner, right_inner), (left_batch, right_batch) = equation.params["dimension_numbers"]
    rank = len(left.shape)
    if len(right.shape) == 2 and not left_batch and tuple(left_inner) == (rank - 1,):
        return graph.node("MatMul", left.name, transposed(graph, right, [*right_inner, 1 - right_inner[0]]).name)
    left_rows = _free(left, left_inner, left_batch)
    right_columns = _free(right, right_inner, right_batch)
    left = transposed(graph, left, [*left_batch, *left_rows, *left_inner])
    right = transposed(graph, right, [*right_batch, *right_inner, *right_columns])
    batch = left.shape[: len(left_batch)]
    inner = math.prod(left.shape[rank - len(left_inner) :])
    left = _reshaped(graph, left, [*batch, math.prod(left.shape[len(batch) : rank - len(left_inner)]), inner])
    right = _reshaped(graph, right, [*batch, inner, math.prod(right.shape[len(batch) + len(right_inner) :])])
    product = Tensor(graph.node("MatMul", left.name, right.name), (*left.shape[:-1], right.shape[-1]))
    return _reshaped(graph, product, equation.outvars[0].aval.shape).name


def transposed_dot_general(graph: Graph, equation: Any, order: Sequence[int], left: Tensor, right: Tensor) -> str:
    """Translates a `dot_general` whose result is transposed, which MatMul can compute directly by broadcasting.

    Each axis of the result belongs to one side or to both; the last two become MatMul's rows and columns.
    """
    (left_inner, right_inner), (left_batch, right_batch) = equation.params["dimension_numbers"]
    left_rows = _free(left, left_inner, left_batch)
    right_columns = _free(right, right_inner, right_batch)
    # For each axis of the result, the axis of the left and of the right that it comes from.
    sources = [*zip(left_batch, right_batch, strict=True)]
    sources += [(axis, None) for axis in left_rows] + [(None, axis) for axis in right_columns]
    *leading, rows, columns = (sources[axis] for axis in order)
    if rows[0] is None and columns[1] is None:  # the right side's axis comes first: swaps the sides
        left, right, left_inner, right_inner = right, left, right_inner, left_inner
        leading, rows, columns = [pair[::-1] for pair in leading], rows[::-1], columns[::-1]
    whole = None in rows and None in columns and rows[0] is not None and len(left_inner) == 1
    if not whole:
        return graph.node("Transpose", dot_general(graph, equation, left, right), perm=list(order))
    first = _with_missing(graph, left, [pair[0] for pair in leading] + [rows[0], *left_inner])
    second = _with_missing(graph, right, [pair[1] for pair in leading] + [*right_inner, columns[1]])
    return graph.node("MatMul", first, second)


def _with_missing(graph: Graph, x: Tensor, axes: Sequence[int | None]) -> str:
    """Puts the axes of `x` into this order, with a new axis of size 1 for each None."""
    x = transposed(graph, x, [axis for axis in axes if axis is not None])
    missing = [place for place, axis in enumerate(axes) if axis is None]
    return graph.node("Unsqueeze", x.name, graph.integers(*missing)) if missing else x.name


def _free(x: Tensor, inner: Sequence[int], batch: Sequence[int]) -> list[int]:
    return [axis for axis in range(len(x.shape)) if axis not in (*inner, *batch)]


def convolution(graph: Graph, equation: Any, x: Tensor, kernel: Tensor) -> str:
    """Translates to Conv, with batch and channels moved to the front and back again."""
    params, numbers = equation.params, equation.params["dimension_numbers"]
    if any(d != 1 for d in params["lhs_dilation"]) or params["batch_group_count"] != 1:
        raise ConfigError("this model cannot be exported to ONNX: its transposed convolution has no translation")
    before, after = zip(*params["padding"], strict=True)
    y = graph.node(
        "Conv",
        transposed(graph, x, numbers.lhs_spec).name,
        transposed(graph, kernel, numbers.rhs_spec).name,
        strides=params["window_strides"],
        pads=before + after,
        dilations=params["rhs_dilation"],
        group=params["feature_group_count"],
    )
    return graph.node("Transpose", y, perm=np.argsort(numbers.out_spec).tolist())


def max_pooling(graph: Graph, equation: Any, x: Tensor) -> str:
    """Translates to MaxPool over the axes that the window covers; there must be two others."""
    params = equation.params
    window, strides = params["window_dimensions"], params["window_strides"]
    pooled = [axis for axis, size in enumerate(window) if size != 1 or strides[axis] != 1]
    others = [axis for axis in range(len(window)) if axis not in pooled]
    if len(others) != 2 or any(d != 1 for d in (*params["base_dilation"], *params["window_dilation"])):
        raise ConfigError("this model cannot be exported to ONNX: its pooling has no translation")
    before, after = zip(*(params["padding"][axis] for axis in pooled), strict=True)
    y = graph.node(
        "MaxPool",
        transposed(graph, x, others + pooled).name,
        kernel_shape=[window[axis] for axis in pooled],
        strides=[strides[axis] for axis in pooled],
        pads=before + after,
    )
    return graph.node("Transpose", y, perm=np.argsort(others + pooled).tolist())


PRODUCTS: dict[str, Callable[..., str]] = {
    "conv_general_dilated": convolution,
    "dot_general": dot_general,
    "reduce_window_max": max_pooling,
}


def transposed(graph: Graph, x: Tensor, order: Sequence[int]) -> Tensor:
    """Puts the axes of `x` into this order; weights are transposed at export time."""
    order = [int(axis) for axis in order]
    if order == list(range(len(order))):
        return x
    if x.value is not None:
        return graph.constant(x.value.transpose(order))
    return Tensor(graph.node("Transpose", x.name, perm=order), tuple(x.shape[axis] for axis in order))


def _reshaped(graph: Graph, x: Tensor, shape: Sequence[Any]) -> Tensor:
    if same_shape(shape, x.shape):
        return x
    return Tensor(graph.node("Reshape", x.name, graph.shape(shape)), tuple(shape))
