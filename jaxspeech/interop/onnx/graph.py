"""Builds an ONNX graph: nodes, weights, and sizes that are known only at run time."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

# The oldest opset with LayerNormalization, so that old runtimes can load the models too.
OPSET, IR_VERSION = 17, 8
# The most elements of a small array: equal ones share a constant, and what depends on constants is computed at export.
SMALL = 64


class Tensor(NamedTuple):
    """A value of the graph.

    Attributes:
      name: of the node's output, the input or the weight.
      shape: numbers and symbolic sizes; 1 where the JAX array is broadcast but the tensor is not expanded yet.
      value: its content, if known at export time.
    """

    name: str
    shape: tuple[Any, ...]
    value: np.ndarray | None = None


class Graph:
    """A graph under construction, with its nodes in the order in which they run.

    Args:
      outer: the enclosing graph if this one is the body of a loop, which can use the outer one's names.
    """

    def __init__(self, outer: "Graph | None" = None):
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._root: Graph = outer._root if outer else self
        self._sizes: dict[str, str] = dict(outer._sizes) if outer else {}
        self._weights: dict[str, np.ndarray] = {}
        self._constants: dict[Any, Tensor] = {}
        self._names = 0

    def input(self, name: str, dtype: Any, shape: Sequence[Any]) -> Tensor:
        """Declares an input; symbols in its shape may be used from now on."""
        self.inputs.append(_value_info(name, dtype, shape))
        for axis, size in enumerate(shape):
            if not isinstance(size, int) and str(size) not in self._sizes:
                self._sizes[str(size)] = self.node("Shape", name, start=axis, end=axis + 1)
        return Tensor(name, tuple(shape))

    def output(self, name: str, dtype: Any, tensor: Tensor, shape: Sequence[Any]) -> None:
        """Declares an output of that dtype and of the array's shape."""
        self.nodes.append(helper.make_node("Cast", [self.expanded(tensor, shape)], [name], to=onnx_dtype(dtype)))
        self.outputs.append(_value_info(name, dtype, shape))

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output; returns the output's name."""
        return self.nodes_outputs(op, 1, *inputs, **attributes)[0]

    def nodes_outputs(self, op: str, num_outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """Adds a node; returns its outputs' names."""
        outputs = [self.new_name(op) for _ in range(num_outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), outputs, name=outputs[0], **attributes))
        return outputs

    def new_name(self, stem: str) -> str:
        """Makes a name that is unique in this graph and in the enclosing ones."""
        self._root._names += 1
        return f"{stem.lower()}_{self._root._names}"

    def cast(self, tensor: Tensor, dtype: Any) -> Tensor:
        """Casts the tensor to another dtype."""
        return Tensor(self.node("Cast", tensor.name, to=onnx_dtype(dtype)), tensor.shape)

    def weight(self, name: str, value: np.ndarray) -> Tensor:
        """A parameter under its own name; it is written only if a node uses it."""
        self._root._weights[name] = value
        return Tensor(name, value.shape, value)

    def constant(self, value: Any) -> Tensor:
        """Adds an array that is known at export time; equal small arrays share one constant."""
        value = np.asarray(value)
        if value.size > SMALL:
            return self.weight(self.new_name("constant"), value)
        key = (value.dtype.str, value.shape, value.tobytes())
        if key not in self._root._constants:
            self._root._constants[key] = self.weight(self.new_name("constant"), value)
        return self._root._constants[key]

    def integers(self, *values: int) -> str:
        """The name of a constant int64 vector."""
        return self.constant(np.array(values, np.int64)).name

    def size(self, size: Any) -> str:
        """The name of a size as a vector of one int64."""
        if isinstance(size, int | np.integer):
            return self.integers(int(size))
        text = str(size)
        if text not in self._sizes:
            expression = text.replace("^", "**")  # JAX's notation for powers to Python's
            self._sizes[text] = self._computed_size(ast.parse(expression, mode="eval").body)
        return self._sizes[text]

    def shape(self, sizes: Sequence[Any]) -> str:
        """The name of a vector of sizes."""
        if all(isinstance(size, int) for size in sizes):
            return self.integers(*sizes)
        return self.node("Concat", *map(self.size, sizes), axis=0) if len(sizes) > 1 else self.size(sizes[0])

    def expanded(self, tensor: Tensor, shape: Sequence[Any]) -> str:
        """The name of the tensor, expanded to the full shape."""
        if same_shape(tensor.shape, shape):
            return tensor.name
        return self.node("Expand", tensor.name, self.shape(shape))

    def _computed_size(self, node: ast.AST) -> str:
        """Adds the nodes that compute a size in the notation of `jax.export.symbolic_shape`."""
        match node:
            case ast.Constant(value=int(value)):
                return self.integers(value)
            case ast.Name(id=name):
                return self._sizes[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.node("Neg", self._computed_size(operand))
            case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=int(power))):
                return self.node("Pow", self._computed_size(base), self.integers(power))
            case ast.BinOp(left=left, op=op, right=right):
                name = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}[type(op)]
                return self.node(name, self._computed_size(left), self._computed_size(right))
            case ast.Call(func=ast.Name(id=function), args=[left, right]):
                a, b = self._computed_size(left), self._computed_size(right)
                if function == "floordiv":  # ONNX rounds towards zero
                    return self.node("Div", self.node("Sub", a, self.node("Mod", a, b)), b)
                return self.node({"mod": "Mod", "max": "Max", "min": "Min"}[function], a, b)
        raise AssertionError(f"{ast.dump(node)} is not a size of jax.export")

    def body(self, name: str) -> Any:
        """Returns the graph in the form that the node of a loop takes."""
        return helper.make_graph(self.nodes, name, self.inputs, self.outputs)

    def model(self, name: str, metadata: Mapping[str, Any]) -> onnx.ModelProto:
        """Returns the finished model, without the nodes and weights that no output needs."""
        needed = {value.name for value in self.outputs}
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(names_in(node))
        weights = [numpy_helper.from_array(v, n) for n, v in self._weights.items() if n in needed]
        graph = helper.make_graph(kept[::-1], name, self.inputs, self.outputs, weights)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="jaxspeech")
        helper.set_model_props(model, {key: str(value) for key, value in metadata.items()})
        return model


def names_in(node: Any) -> set[str]:
    """The names that a node reads, including the bodies of its loops."""
    names = set(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            names |= set().union(*map(names_in, attribute.g.node))
    return names


def same_shape(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether both have the same sizes; symbolic ones are compared as text."""
    return len(a) == len(b) and all(str(x) == str(y) for x, y in zip(a, b, strict=True))


def onnx_dtype(dtype: Any) -> int:
    """ONNX's number for a NumPy dtype."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))


def _value_info(name: str, dtype: Any, shape: Sequence[Any]) -> Any:
    sizes = [size if isinstance(size, int) else str(size).replace(" ", "") for size in shape]
    return helper.make_tensor_value_info(name, onnx_dtype(dtype), sizes)
