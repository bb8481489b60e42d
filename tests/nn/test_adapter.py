"""Tests the adapter: a new one changes nothing, a trained one equals its equation in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.nn.adapter import LinearAdapter


def test_it_equals_float64():
    adapter, x = LinearAdapter(hidden=3), np.random.default_rng(0).standard_normal((2, 5, 4)).astype(np.float32)
    params = adapter.init(jax.random.key(0), jnp.asarray(x))["params"]
    assert jax.tree.map(jnp.shape, params) == {
        "norm": {"scale": (4,), "bias": (4,)},
        "up": {"kernel": (4, 3)},
        "down": {"kernel": (3, 4)},
    }
    params = jax.tree.map(lambda p: jax.random.normal(jax.random.key(p.size), p.shape), params)
    exact = jax.tree.map(np.float64, params)
    y = np.float64(x)
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-5)
    y = (y * exact["norm"]["scale"] + exact["norm"]["bias"]) @ exact["up"]["kernel"]
    y = y / (1 + np.exp(-y)) @ exact["down"]["kernel"]
    np.testing.assert_allclose(adapter.apply({"params": params}, jnp.asarray(x)), y, rtol=1e-4, atol=1e-5)


def test_an_encoder_with_new_adapters_is_the_encoder():
    fields = dict(num_layers=2, width=8, num_heads=2, subsampling="stacking")
    plain, adapted = FastConformer(**fields), FastConformer(**fields, adapter_width=3)
    features, num_frames = jnp.ones((1, 40, 6)) * jnp.arange(40)[:, None], jnp.array([40])
    variables = jax.jit(adapted.init)(jax.random.key(0), features, num_frames)
    apply = jax.jit(adapted.apply)
    adapters = variables["params"]["layers"].pop("adapter")
    assert adapters["up"]["kernel"].shape == (2, 8, 3)
    expected = jax.jit(plain.apply)(variables, features, num_frames)[0]
    params = variables["params"] | {"layers": variables["params"]["layers"] | {"adapter": adapters}}
    np.testing.assert_array_equal(apply(variables | {"params": params}, features, num_frames)[0], expected)
    adapters["down"]["kernel"] += 1.0
    assert np.abs(apply(variables | {"params": params}, features, num_frames)[0] - expected).max() > 0.1
