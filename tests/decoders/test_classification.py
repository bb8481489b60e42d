"""Tests the heads of classifiers against NumPy, with anything in the padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.decoders.classification import FrameHead, PooledHead

RNG = np.random.default_rng(0)
X = jnp.asarray(RNG.normal(size=(3, 5, 4)), jnp.float32)
REAL = jnp.arange(5) < jnp.array([[5], [2], [0]])


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_pooling_is_over_real_frames(pooling):
    head = PooledHead(pooling)
    variables = head.init(jax.random.key(0), X, REAL, num_classes=3)
    bad = jnp.where(REAL[..., None], X, np.nan)
    logits = jax.jit(lambda x: head.apply(variables, x, REAL, num_classes=3))(bad)
    out = variables["params"]["out"]
    pooled = np.stack([X[0].mean(0), X[1, :2].mean(0), np.zeros(4)])
    if pooling == "max":
        pooled = np.stack([X[0].max(0), X[1, :2].max(0), np.zeros(4)])
    np.testing.assert_allclose(logits, pooled @ out["kernel"] + out["bias"], atol=1e-5)


def test_frames_pass_through_hidden_layers():
    head = FrameHead(num_layers=2, activation="tanh")
    variables = head.init(jax.random.key(0), X, num_classes=3)
    hidden, out = variables["params"]["hidden_0"], variables["params"]["out"]
    expected = np.tanh(X @ hidden["kernel"] + hidden["bias"]) @ out["kernel"] + out["bias"]
    np.testing.assert_allclose(head.apply(variables, X, num_classes=3), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PooledHead("avg"), "pooling 'avg'; known are max, mean"),
        (lambda: FrameHead(num_layers=0), "num_layers is 0; it must be a positive integer"),
        (lambda: FrameHead(activation="gelu"), "activation 'gelu'"),
    ],
)
def test_unknown_options_are_named(make, message):
    with pytest.raises(TypeError, match=message):
        make()
