"""The translation of JAX functions, primitive by primitive: onnxruntime and JAX give the same results."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
import pytest
from jax.export import symbolic_shape

from jaxspeech.errors import ConfigError
from jaxspeech.interop.onnx.translate import Port, to_onnx

B, T = symbolic_shape("batch, time", constraints=["time >= 4"])
PORTS = {"x": Port("float32", (B, T, 6)), "n": Port("int64", (B,))}
RNG = np.random.default_rng(0)
X, N = RNG.standard_normal((3, 7, 6)).astype(np.float32), np.array([7, 4, -2])
TABLE = RNG.standard_normal((5, 3)).astype(np.float32)


def run(function: Any, weights: Any = None) -> tuple[list[np.ndarray], Any, onnx.ModelProto]:
    """Returns the outputs of the graph, those of JAX, and the graph."""
    given = weights or {}
    wanted = function(given, X, N.astype(np.int32))
    outputs = {f"y{i}": str(y.dtype) for i, y in enumerate(wanted)}
    model = to_onnx(function, given, PORTS, outputs, name="test", metadata={})
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": X, "n": N}), wanted, model


def recur(x: Any) -> Any:
    """A loop over time in both directions, which uses a value from outside."""

    def step(carry: Any, frame: Any) -> tuple[Any, Any]:
        carry = jnp.tanh(0.5 * carry + frame) * scale
        return carry, (carry, frame.sum(-1))

    scale = 1.0 + x[:, 0, :1]
    start, frames = jnp.zeros_like(x[:, 0]), x.swapaxes(0, 1)
    return jax.lax.scan(step, start, frames), jax.lax.scan(step, start, frames, reverse=True)


def pool(x: Any) -> Any:
    window = (1, 2, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, ((0, 0), (1, 0), (0, 0)))


def convolve(x: Any) -> Any:
    kernel = jnp.linspace(-1.0, 1.0, 3 * 3 * 4).reshape(3, 3, 4)
    options = {"dimension_numbers": ("NWC", "WIO", "NWC"), "feature_group_count": 2}
    return jax.lax.conv_general_dilated(x, kernel, (2,), [(2, 2)], rhs_dilation=(2,), **options)


CASES: dict[str, Any] = {
    "arithmetic": lambda x, n: (x * 2 - x / 3, -(jnp.abs(x) ** 0.5), jax.lax.rsqrt(x * x + 1), jax.lax.square(x), x**3),
    "functions": lambda x, n: (jnp.exp(x), jnp.log1p(x * x), jnp.tanh(x), jax.nn.sigmoid(x), jnp.expm1(x), jnp.sin(x)),
    "activations": lambda x, n: (jax.nn.silu(x), jax.nn.gelu(x, approximate=False), jax.nn.glu(x), jax.nn.relu(x)),
    "softmax": lambda x, n: (jax.nn.log_softmax(x), jax.nn.softmax(x, axis=1), jax.nn.logsumexp(x, axis=0)),
    "whole numbers": lambda x, n: (n // 3, n % 3, jnp.maximum(n, 1), jnp.clip(n, -1, 5), -n, jnp.sign(n)),
    "comparisons": lambda x, n: (x > 0, (n == 4) | (n < 0), ~(x <= 0) & (x != 1), jnp.where(x >= 0, x, 1)),
    "reductions": lambda x, n: (x.sum(1), x.max((0, 2)), x.min(-1), x.mean(), (x > 1).any(1), (x < 2).all(), x.var(1)),
    "places": lambda x, n: (x.argmax(-1), x.argmin(1), jnp.cumsum(x, 1), jnp.cumsum(n > 0)),
    "shapes": lambda x, n: (
        x.reshape(x.shape[0], -1),
        x[:, None],
        jnp.transpose(x, (2, 0, 1)),
        x.mean(2, keepdims=True),
    ),
    "joining": lambda x, n: (jnp.concatenate([x, x], 1), jnp.stack([x, 2 * x], -1), jnp.tile(x, (1, 2, 1))),
    "splitting": lambda x, n: (*jnp.split(x, 3, axis=-1), *jnp.unstack(x, axis=2)),
    "slices": lambda x, n: (x[:, 1:-1], x[:, ::2], x[:, ::-1], x[..., 2], jnp.roll(x, 1, axis=-1), x[:, -1]),
    "moving slices": lambda x, n: (jax.lax.dynamic_slice_in_dim(x, n[1], 2, axis=1), x[n[1] - 4]),
    "padding": lambda x, n: (jnp.pad(x, ((0, 0), (2, 1), (0, 0)), constant_values=3), jnp.pad(n, (x.shape[1], 0))),
    "rows of a table": lambda x, n: (jnp.take(TABLE, n, axis=0, mode="fill"), jnp.take(TABLE, n, axis=0, mode="clip")),
    "rows of a table per batch row": lambda x, n: (
        jnp.take_along_axis(x, n[:, None, None] - jnp.arange(9)[None, :, None], axis=1),
        jnp.take_along_axis(x, n[:, None, None] * jnp.ones_like(x[:, :1, :1], int), axis=1, mode="clip"),
    ),
    "positions": lambda x, n: (jnp.arange(x.shape[1]) < n[:, None], jnp.arange(x.shape[1] - 1, -3, -1)),
    "sizes": lambda x, n: (n + x.shape[1], jnp.zeros((x.shape[1] % 4, x.shape[1] // 2)), n * x.shape[0] * x.shape[1]),
    "products": lambda x, n: (
        x @ TABLE[:1].repeat(6, 0),
        jnp.einsum("btd,bsd->bts", x, x),
        jnp.einsum("btd,sd->tbs", x, TABLE.repeat(2, 1)),
        jnp.einsum("btd,rd->rbt", x, TABLE.repeat(2, 1)),
        jnp.einsum("bthk,rhk->bhtr", x.reshape(x.shape[0], x.shape[1], 2, 3), x[0].reshape(-1, 2, 3)),
        jnp.einsum("btd,btd->b", x, x),
    ),
    "convolution": lambda x, n: (convolve(x),),
    "pooling": lambda x, n: (pool(x),),
    "loops": lambda x, n: tuple(jax.tree.leaves(recur(x))),
}


@pytest.mark.parametrize("name", CASES)
def test_primitives(name):
    found, wanted, _ = run(lambda weights, x, n: tuple(map(jnp.asarray, CASES[name](jnp.asarray(x), jnp.asarray(n)))))
    for theirs, ours in zip(found, wanted, strict=True):
        assert theirs.shape == ours.shape and theirs.dtype == ours.dtype, inspect.getsource(CASES[name])
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-5)


def test_what_depends_only_on_the_weights_is_computed_at_export():
    weights = {"norm": {"scale": np.float32(2), "table": TABLE}}

    def function(weights: Any, x: Any, n: Any) -> tuple[Any]:
        factor = jax.lax.rsqrt(weights["norm"]["scale"]) * weights["norm"]["table"].T
        return (x[..., :5] @ factor.T,)

    found, wanted, model = run(function, weights)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)
    assert not {"Sqrt", "Transpose", "Mul"} & {node.op_type for node in model.graph.node}


def test_a_primitive_without_a_translation_is_reported():
    with pytest.raises(ConfigError, match="its 'sort' has no translation"):
        run(lambda weights, x, n: (jnp.sort(jnp.asarray(x), axis=1),))


def test_dependence_on_a_concrete_length_is_reported():
    def function(weights: Any, x: Any, n: Any) -> tuple[Any]:
        return (x if x.shape[1] > 5 else x + 1,)

    with pytest.raises(ConfigError, match=r"it needs concrete lengths \(.*inconclusive"):
        run(function)
