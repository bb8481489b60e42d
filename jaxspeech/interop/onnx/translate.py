"""Translates a JAX function to an ONNX graph: its jaxpr, equation by equation, each primitive by its row in a table.

What depends only on the weights is computed at export time. Functions that XLA fuses but a runtime would not (`NATIVE`)
become the equivalent node of ONNX.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import onnx
from jax.errors import InconclusiveDimensionOperation
from jax.extend.core import ClosedJaxpr, Literal

from jaxspeech.errors import ConfigError
from jaxspeech.interop.onnx.elementwise import ELEMENTWISE, broadcast_shape
from jaxspeech.interop.onnx.graph import SMALL, Graph, Tensor
from jaxspeech.interop.onnx.native import NATIVE
from jaxspeech.interop.onnx.products import PRODUCTS, transposed_dot_general
from jaxspeech.interop.onnx.shapes import LAZY, SHAPES

# Each rule takes the graph, the equation and its inputs, and returns a tensor for each output.
WHOLE = PRODUCTS | SHAPES
# The parameters in which primitives keep the function that they call.
CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")


class Port(NamedTuple):
    """An input or output of a graph; int64 becomes int32 inside, as is usual in JAX."""

    dtype: str
    shape: tuple[Any, ...] = ()


def to_onnx(
    function: Callable[..., Any],
    weights: Any,
    inputs: Mapping[str, Port],
    outputs: Mapping[str, str],
    *,
    name: str,
    metadata: Mapping[str, Any],
) -> onnx.ModelProto:
    """Translates `function(weights, *inputs)` to a model.

    Args:
      function: returns one array for each of `outputs`.
      weights: nested dicts of arrays, which become initializers named by their paths.
      inputs: name -> dtype and shape; sizes may come from `jax.export.symbolic_shape`.
      outputs: name -> dtype.
      name: of the graph.
      metadata: of the model, which runtimes read.

    Raises:
      ConfigError: the function uses a primitive without a translation, or depends on the length of a symbolic axis.
    """
    narrow = {"int64": jnp.int32}
    specs = [jax.ShapeDtypeStruct(port.shape, narrow.get(port.dtype, port.dtype)) for port in inputs.values()]
    try:
        closed = jax.make_jaxpr(function)(weights, *specs)
    except InconclusiveDimensionOperation as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"this model cannot be exported to ONNX: it needs concrete lengths ({reason})") from error
    graph = Graph()
    tensors = [
        graph.weight(".".join(key.key for key in path), np.asarray(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(weights)
    ]
    for (input_name, port), spec in zip(inputs.items(), specs, strict=True):
        tensor = graph.input(input_name, port.dtype, port.shape)
        tensors.append(tensor if port.dtype == str(spec.dtype) else graph.cast(tensor, spec.dtype))
    results = translate(graph, closed, tensors)
    for (output_name, dtype), tensor, aval in zip(outputs.items(), results, closed.out_avals, strict=True):
        graph.output(output_name, dtype, tensor, aval.shape)
    return graph.model(name, metadata)


def translate(graph: Graph, closed: ClosedJaxpr, inputs: list[Tensor]) -> list[Tensor]:
    """Adds a jaxpr's equations to the graph; returns a tensor for each of its outputs."""
    jaxpr = closed.jaxpr
    values = dict(zip(jaxpr.invars, inputs, strict=True))
    values |= {var: graph.constant(const) for var, const in zip(jaxpr.constvars, closed.consts, strict=True)}

    def read(atom: Any) -> Tensor:
        if isinstance(atom, Literal):
            return graph.constant(np.asarray(atom.val, getattr(atom.aval, "dtype", None)))
        return values[atom]

    equations = _needed(jaxpr)
    products = _only_transposed(jaxpr, equations)
    for equation in equations:
        if equation.outvars[0] in products:
            continue
        product = products.get(equation.invars[0]) if equation.primitive.name == "transpose" else None
        if product is not None:
            inputs = [_whole(graph, read(atom), atom) for atom in product.invars]
            name = transposed_dot_general(graph, product, equation.params["permutation"], *inputs)
            values[equation.outvars[0]] = Tensor(name, equation.outvars[0].aval.shape)
            continue
        results = _translate_equation(graph, equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _needed(jaxpr: Any) -> list[Any]:
    """The equations that an output depends on."""
    needed = {var for var in jaxpr.outvars if not isinstance(var, Literal)}
    kept = []
    for equation in reversed(jaxpr.eqns):
        if needed.intersection(equation.outvars):
            kept.append(equation)
            needed.update(atom for atom in equation.invars if not isinstance(atom, Literal))
    return kept[::-1]


def _only_transposed(jaxpr: Any, equations: list[Any]) -> dict[Any, Any]:
    """The matrix products, by their result, that are used by one transposition only: the two become one MatMul."""
    uses = Counter(atom for e in equations for atom in e.invars if not isinstance(atom, Literal))
    uses.update(atom for atom in jaxpr.outvars if not isinstance(atom, Literal))
    transposed = {e.invars[0] for e in equations if e.primitive.name == "transpose" and uses[e.invars[0]] == 1}
    return {e.outvars[0]: e for e in equations if e.primitive.name == "dot_general" and e.outvars[0] in transposed}


def _translate_equation(graph: Graph, equation: Any, inputs: list[Tensor]) -> list[Tensor]:
    primitive, params = equation.primitive.name, equation.params
    if primitive == "scan":
        return _scan(graph, params, inputs)
    if primitive == "platform_index":  # which `cond` is given; its branch is chosen here
        return [Tensor("", ())]
    if params.get("branches_platforms"):
        return translate(graph, _for_cpu(params), inputs[1:])
    called = next((params[key] for key in CALLED if key in params), None)
    if called is not None:
        if params.get("name") in NATIVE:
            whole = [_whole(graph, x, atom) for x, atom in zip(inputs, equation.invars, strict=True)]
            return [Tensor(NATIVE[params["name"]](graph, *whole), equation.outvars[0].aval.shape)]
        return translate(graph, called if isinstance(called, ClosedJaxpr) else ClosedJaxpr(called, ()), inputs)
    if _known(equation, inputs):
        results = equation.primitive.bind(*(x.value for x in inputs), **params)
        return [graph.constant(x) for x in (results if equation.primitive.multiple_results else [results])]
    if primitive in ELEMENTWISE:
        shape = broadcast_shape([x.shape for x in inputs])
        return [Tensor(ELEMENTWISE[primitive](graph, equation, *(x.name for x in inputs)), shape)]
    if primitive in LAZY:
        return [LAZY[primitive](graph, equation, *inputs)]
    if primitive in WHOLE:
        whole = [_whole(graph, x, atom) for x, atom in zip(inputs, equation.invars, strict=True)]
        names = WHOLE[primitive](graph, equation, *whole)
        names = [names] if isinstance(names, str) else names
        return [Tensor(name, var.aval.shape) for name, var in zip(names, equation.outvars, strict=True)]
    raise ConfigError(f"this model cannot be exported to ONNX: its {primitive!r} has no translation")


def _for_cpu(params: Mapping[str, Any]) -> ClosedJaxpr:
    """The branch of `jax.lax.platform_dependent` for CPUs, for which most runtimes are made."""
    choices = zip(params["branches_platforms"], params["branches"], strict=True)
    return next(branch for platforms, branch in choices if platforms is None or "cpu" in platforms)


def _whole(graph: Graph, tensor: Tensor, atom: Any) -> Tensor:
    """Expands the tensor to the full shape of its array."""
    return tensor._replace(name=graph.expanded(tensor, atom.aval.shape), shape=tuple(atom.aval.shape))


def _known(equation: Any, inputs: list[Tensor]) -> bool:
    """Whether its outputs can be computed at export time and are no larger than its inputs."""
    shapes = [var.aval.shape for var in equation.outvars]
    if not all(isinstance(size, int) for shape in shapes for size in shape):
        return False
    if not inputs or any(x.value is None for x in inputs):
        return False
    if any(x.shape != getattr(a, "aval", a).shape for x, a in zip(inputs, equation.invars, strict=True)):
        return False
    size = sum(int(np.prod(shape)) for shape in shapes)
    return size <= max(SMALL, sum(x.value.size for x in inputs if x.value is not None))


def _scan(graph: Graph, params: Mapping[str, Any], inputs: list[Tensor]) -> list[Tensor]:
    """Translates `jax.lax.scan` to ONNX's Scan; constants are taken from the graph around the loop."""
    closed, num_consts, num_carry = params["jaxpr"], params["num_consts"], params["num_carry"]
    avals, outputs = closed.in_avals, closed.out_avals
    length, num_scanned = params["length"], len(inputs) - num_consts - num_carry
    body = Graph(graph)
    arguments = [body.input(body.new_name("loop"), aval.dtype, aval.shape) for aval in avals[num_consts:]]
    results = translate(body, closed, [*inputs[:num_consts], *arguments])
    for tensor, aval in zip(results, outputs, strict=True):
        body.output(body.new_name("loop"), aval.dtype, tensor, aval.shape)
    full = [aval.shape for aval in avals[num_consts : num_consts + num_carry]]
    full += [(length, *aval.shape) for aval in avals[num_consts + num_carry :]]
    names = [graph.expanded(x, shape) for x, shape in zip(inputs[num_consts:], full, strict=True)]
    directions = {
        "scan_input_directions": [int(params["reverse"])] * num_scanned,
        "scan_output_directions": [int(params["reverse"])] * (len(outputs) - num_carry),
    }
    found = graph.nodes_outputs(
        "Scan",
        len(outputs),
        *names,
        body=body.body(body.new_name("body")),
        num_scan_inputs=num_scanned,
        **{key: value for key, value in directions.items() if value},
    )
    shapes = [aval.shape for aval in outputs[:num_carry]] + [(length, *aval.shape) for aval in outputs[num_carry:]]
    return [Tensor(name, shape) for name, shape in zip(found, shapes, strict=True)]
