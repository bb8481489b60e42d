"""A language model with matrices of 8-bit integers: within the bound of each product, in a quarter of the memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.int8 import with_int8
from jaxspeech.nn.int8 import int8_product, quantized
from tests.interop.random_model import random_variables

DECODER = {"name": "causal_transformer", "vocab_size": 40, "width": 32, "num_layers": 2, "num_heads": 4}
DECODER |= {"hidden_width": 48, "biases": True, "lora": {"rank": 2, "targets": ("query",)}}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_product_is_within_its_bound(rows, axis):
    rng = np.random.default_rng(0)
    x, matrix = rng.normal(size=(rows, 64)).astype(np.float32), rng.normal(size=(64, 20)).astype(np.float32)
    matrix[:, 3] = 0
    stored, scale = quantized(matrix if axis == 0 else matrix.T, axis=axis - 2)
    assert stored.dtype == np.int8 and np.abs(stored).max() == 127
    found = np.asarray(jax.jit(partial(int8_product, axis=axis))(x, stored, scale))
    assert (np.abs(found - x @ matrix) <= scale / 2 * np.abs(x).sum(1, keepdims=True) + 1e-5).all()
    assert np.abs(found - x @ matrix).max() > 1e-4 and not found[:, 3].any()


def restored(tree):
    """The matrices that the integers stand for."""
    made = {name: restored(value) if isinstance(value, dict) else value for name, value in tree.items()}
    for name, axis in (("kernel", -2), ("table", -1)):
        if f"{name}_scale" in made:
            made[name] = made[name] * np.expand_dims(made.pop(f"{name}_scale"), axis)
    return made


def test_a_model_stays_almost_the_same():
    model = {"task": "causal_lm", "decoder": DECODER}
    variables = random_variables(model)
    small, rounded = with_int8(model, variables)
    assert with_int8(small, rounded)[1] is rounded
    shapes = jax.eval_shape(build(small).init, jax.random.key(0))
    assert jax.tree.map(lambda x: (x.shape, x.dtype), shapes) == jax.tree.map(lambda x: (x.shape, x.dtype), rounded)
    sizes = [sum(x.nbytes for x in jax.tree.leaves(tree)) for tree in (variables, rounded)]
    assert sizes[1] < 0.4 * sizes[0]

    ids, num = jnp.arange(12).reshape(2, 6), jnp.array([6, 6])
    found = jax.jit(lambda v: build(small).model.apply(v, ids, num, method="logits"))(rounded)
    run = jax.jit(lambda v: build(model).model.apply(v, ids, num, method="logits"))
    np.testing.assert_allclose(found, run(restored(rounded)), atol=1e-4)
    exact = run(variables)
    assert 1e-3 < jnp.linalg.norm(found - exact) / jnp.linalg.norm(exact) < 0.1
    # The layers apart, token by token.
    single, apart = for_inference(small, rounded, platform="cpu")
    again = for_inference(model, variables, dtype="int8", platform="cpu")
    assert again[0] == single
    jax.tree.map(np.testing.assert_array_equal, again[1], apart)
    assert {x.dtype.name for x in jax.tree.leaves(apart)} == {"int8", "float32"}
    decoder = build(single).model.decoder
    apply = partial(decoder.apply, {"params": apart["params"]["decoder"]})

    def step(cache, token):
        logits, cache = apply(token[None], cache, method="step")
        return cache, logits[0]

    logits = jax.jit(lambda ids: jax.lax.scan(step, apply(1, 6, method="initial_cache"), ids)[1])(ids[0])
    np.testing.assert_allclose(logits, found[0], atol=1e-4)


def test_a_model_without_a_language_model():
    with pytest.raises(ConfigError, match="no causal_transformer"):
        with_int8({"task": "ctc", "decoder": {"name": "ctc"}}, {"params": {}})
