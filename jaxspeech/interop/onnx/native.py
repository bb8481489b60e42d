"""Translates functions of `jaxspeech.nn` that ONNX has as nodes; each is jitted, and is recognised by its name."""

from collections.abc import Callable

from jaxspeech.interop.onnx.graph import Graph, Tensor
from jaxspeech.interop.onnx.products import transposed


def layer_norm(graph: Graph, x: Tensor, scale: Tensor, bias: Tensor, epsilon: Tensor) -> str:
    """Translates `nn.normalization.layer_norm`."""
    assert epsilon.value is not None
    return graph.node("LayerNormalization", x.name, scale.name, bias.name, axis=-1, epsilon=float(epsilon.value))


def shifted_multiply_adds(graph: Graph, x: Tensor, kernel: Tensor) -> str:
    """Translates `nn.depthwise.shifted_multiply_adds`: [B T D] and [W D], a convolution of each channel."""
    rows = graph.node("Unsqueeze", transposed(graph, kernel, (1, 0)).name, graph.integers(1))
    y = graph.node("Conv", transposed(graph, x, (0, 2, 1)).name, rows, group=x.shape[-1])
    return graph.node("Transpose", y, perm=[0, 2, 1])


def strided_multiply_adds(graph: Graph, x: Tensor, kernel: Tensor) -> str:
    """Translates `nn.strided_conv.strided_multiply_adds`: [B T F C] or [B T F 1], and [3 3 C], at stride 2."""
    filters = graph.node("Unsqueeze", transposed(graph, kernel, (2, 0, 1)).name, graph.integers(1))
    y = graph.node("Conv", transposed(graph, x, (0, 3, 1, 2)).name, filters, group=x.shape[-1], strides=[2, 2])
    return graph.node("Transpose", y, perm=[0, 2, 3, 1])


NATIVE: dict[str, Callable[..., str]] = {
    "layer_norm": layer_norm,
    "shifted_multiply_adds": shifted_multiply_adds,
    "strided_multiply_adds": strided_multiply_adds,
}
