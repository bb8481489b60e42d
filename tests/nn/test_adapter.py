"""Tests adapters: new ones change nothing, a linear one equals float64; test_nemo_ctc.py compares all with NeMo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.encoders.fastconformer import FastConformer
from jaxspeech.errors import ConfigError
from jaxspeech.nn.adapter import Adapter, LinearAdapter


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


ADAPTERS = (
    Adapter("near", width=3),
    Adapter("far", "attention", num_heads=4),
    Adapter("by_place", "relative", 4, num_heads=2, enabled=False),
)


def test_an_encoder_with_new_adapters_is_the_encoder():
    """A trained adapter changes it if it is enabled, and one that is not never does."""
    fields = dict(num_layers=2, width=8, num_heads=2, subsampling="stacking")
    plain, adapted = FastConformer(**fields), FastConformer(**fields, adapter_width=3, adapters=ADAPTERS)
    features, num_frames = jnp.ones((1, 40, 6)) * jnp.arange(40)[:, None], jnp.array([40])
    variables = jax.jit(adapted.init)(jax.random.key(0), features, num_frames)
    apply = jax.jit(adapted.apply)
    layers = variables["params"]["layers"]
    adapters = {name: layers.pop(name) for name in list(layers) if name.startswith("adapter")}
    assert adapters["adapter"]["up"]["kernel"].shape == (2, 8, 3)
    assert adapters["adapter_by_place"]["attention"]["position"]["kernel"].shape == (2, 8, 4)
    expected = jax.jit(plain.apply)(variables, features, num_frames)[0]

    def with_adapters(adapters):
        params = variables["params"] | {"layers": variables["params"]["layers"] | adapters}
        return apply(variables | {"params": params}, features, num_frames)[0]

    np.testing.assert_array_equal(with_adapters(adapters), expected)
    for name, last in (("", "down"), ("_near", "down"), ("_far", "out"), ("_by_place", "out")):
        trained = jax.tree.map(lambda x: x, adapters)
        part = trained[f"adapter{name}"] if last == "down" else trained[f"adapter{name}"]["attention"]
        part[last]["kernel"] += jax.random.normal(jax.random.key(1), part[last]["kernel"].shape)
        changed = np.abs(with_adapters(trained) - expected).max()
        assert changed == 0 if name == "_by_place" else changed > 0.1, name


def test_what_does_not_fit_is_refused():
    fields = {"num_layers": 1, "width": 8, "num_heads": 2}
    for options, message in (
        ({"name": "a b", "width": 2}, "use letters"),
        ({"name": "a"}, "needs the width"),
        ({"name": "a", "kind": "relative", "width": 6}, "cannot be split into 4 heads"),
    ):
        with pytest.raises(ConfigError, match=message):
            Adapter(**options)
    with pytest.raises(ConfigError, match="a name of its own"):
        FastConformer(**fields, adapters=(ADAPTERS[0], ADAPTERS[0]))
    with pytest.raises(ConfigError, match="not with attention 'rel_pos_local'"):
        FastConformer(**fields, attention="rel_pos_local", attention_context=(4, 4), adapters=ADAPTERS)
    with pytest.raises(ConfigError, match="needs relative positions"):
        FastConformer(**fields, attention="abs_pos", adapters=ADAPTERS[2:])
