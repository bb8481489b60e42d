"""Translates element-wise primitives. ONNX broadcasts like NumPy, so their inputs need not be expanded."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxspeech.interop.onnx.graph import Graph, onnx_dtype

Rule = Callable[..., str]


def _op(name: str, **attributes: Any) -> Rule:
    """A rule that adds a single node of this type."""
    return lambda graph, equation, *inputs: graph.node(name, *inputs, **attributes)


def _not_equal(graph: Graph, equation: Any, a: str, b: str) -> str:
    return graph.node("Not", graph.node("Equal", a, b))


def _rsqrt(graph: Graph, equation: Any, x: str) -> str:
    return graph.node("Reciprocal", graph.node("Sqrt", x))


def _square(graph: Graph, equation: Any, x: str) -> str:
    return graph.node("Mul", x, x)


def _power(graph: Graph, equation: Any, x: str) -> str:
    exponent = equation.params["y"]
    if exponent == 2:
        return graph.node("Mul", x, x)
    return graph.node("Pow", x, graph.constant(np.asarray(exponent, equation.outvars[0].aval.dtype)).name)


def _shifted_log(graph: Graph, equation: Any, x: str) -> str:
    one = graph.constant(np.ones((), equation.outvars[0].aval.dtype)).name
    return graph.node("Log", graph.node("Add", x, one))


def _shifted_exp(graph: Graph, equation: Any, x: str) -> str:
    one = graph.constant(np.ones((), equation.outvars[0].aval.dtype)).name
    return graph.node("Sub", graph.node("Exp", x), one)


def _complementary_error(graph: Graph, equation: Any, x: str) -> str:
    one = graph.constant(np.ones((), equation.outvars[0].aval.dtype)).name
    return graph.node("Sub", one, graph.node("Erf", x))


def _is_finite(graph: Graph, equation: Any, x: str) -> str:
    largest = np.finfo(equation.invars[0].aval.dtype).max
    return graph.node("LessOrEqual", graph.node("Abs", x), graph.constant(largest).name)


def _select(graph: Graph, equation: Any, which: str, false: str, true: str) -> str:
    return graph.node("Where", which, true, false)


def _clamp(graph: Graph, equation: Any, low: str, x: str, high: str) -> str:
    return graph.node("Min", graph.node("Max", x, low), high)


def _convert(graph: Graph, equation: Any, x: str) -> str:
    given, wanted = equation.invars[0].aval.dtype, equation.outvars[0].aval.dtype
    return x if given == wanted else graph.node("Cast", x, to=onnx_dtype(wanted))


def _same(graph: Graph, equation: Any, x: str) -> str:
    return x


ELEMENTWISE: dict[str, Rule] = {
    "abs": _op("Abs"),
    "add": _op("Add"),
    "and": _op("And"),
    "ceil": _op("Ceil"),
    "clamp": _clamp,
    "convert_element_type": _convert,
    "copy": _same,
    "cos": _op("Cos"),
    "div": _op("Div"),
    "eq": _op("Equal"),
    "erf": _op("Erf"),
    "erfc": _complementary_error,
    "exp": _op("Exp"),
    "expm1": _shifted_exp,
    "floor": _op("Floor"),
    "ge": _op("GreaterOrEqual"),
    "gt": _op("Greater"),
    "integer_pow": _power,
    "is_finite": _is_finite,
    "le": _op("LessOrEqual"),
    "log": _op("Log"),
    "log1p": _shifted_log,
    "logistic": _op("Sigmoid"),
    "lt": _op("Less"),
    "max": _op("Max"),
    "min": _op("Min"),
    "mul": _op("Mul"),
    "ne": _not_equal,
    "neg": _op("Neg"),
    "not": _op("Not"),
    "or": _op("Or"),
    "pow": _op("Pow"),
    "rem": _op("Mod", fmod=1),
    "round": _op("Round"),
    "rsqrt": _rsqrt,
    "select_n": _select,
    "sign": _op("Sign"),
    "sin": _op("Sin"),
    "sqrt": _op("Sqrt"),
    "square": _square,
    "stop_gradient": _same,
    "sub": _op("Sub"),
    "tanh": _op("Tanh"),
    "xor": _op("Xor"),
}


def broadcast_shape(shapes: Sequence[Sequence[Any]]) -> tuple[Any, ...]:
    """The shape of the result; an axis is 1 only if it is 1 in all shapes."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(
        next((size for size in sizes if not (isinstance(size, int) and size == 1)), 1)
        for sizes in zip(*padded, strict=True)
    )
