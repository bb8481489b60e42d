"""The Gumbel quantizer: ids, values, straight-through gradients, perplexity; and merging of equal ids."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.quantizers.gumbel import GumbelQuantizer, joint_ids, perplexities
from jaxspeech.quantizers.repeats import merge_repeats


def test_values_are_codes_and_the_gradient_is_that_of_the_softmax():
    quantizer: Any = GumbelQuantizer(size=5, width=6, groups=2)
    rng = np.random.default_rng(0)
    x, noise = (jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in ((2, 3, 4), (2, 3, 2, 5)))
    variables = quantizer.init(jax.random.key(0), x, None)
    weights, tau = rng.normal(size=(2, 3, 6)).astype(np.float32), 0.7

    @jax.jit
    def both(variables):
        plain = quantizer.apply(variables, x, None)
        made = jax.grad(lambda v: (quantizer.apply(v, x, noise, tau).values * weights).sum())(variables)
        soft = jax.nn.softmax((plain.logits + noise) / tau)

        def by_softmax(v):
            logits = quantizer.apply(v, x, None).logits
            shares = jax.nn.softmax((logits + noise) / tau)
            return (jnp.einsum("btgv,vk->btgk", shares, plain.codes).reshape(2, 3, 6) * weights).sum()

        return plain, quantizer.apply(variables, x, noise, tau), made, jax.grad(by_softmax)(variables), soft

    plain, noisy, gradient, of_softmax, soft = both(variables)
    codes = np.asarray(variables["params"]["codes"])
    for found, ids in ((plain, plain.logits.argmax(-1)), (noisy, soft.argmax(-1))):
        np.testing.assert_array_equal(found.same, ids)
        np.testing.assert_allclose(found.values, codes[ids].reshape(2, 3, 6), atol=1e-6)
        np.testing.assert_array_equal(found.ids, plain.ids)
    ours, theirs = gradient["params"], of_softmax["params"]
    np.testing.assert_allclose(ours["logits"]["kernel"], theirs["logits"]["kernel"], atol=1e-5)
    wanted = np.zeros_like(codes)
    np.add.at(wanted, np.asarray(noisy.same), weights.reshape(2, 3, 2, 3))
    np.testing.assert_allclose(ours["codes"], wanted, atol=1e-5)


def test_perplexity_counts_real_frames_alone():
    logits = jnp.log(jnp.array([[[[0.5, 0.5]], [[1e-9, 1.0]], [[1.0, 1e-9]]]]))
    assert perplexities(logits, jnp.array([[True, False, False]]))[0] == pytest.approx(2, abs=1e-4)
    assert perplexities(logits, jnp.array([[False, True, False]]))[0] == pytest.approx(1, abs=1e-4)
    assert perplexities(logits, jnp.array([[False, True, True]]))[0] == pytest.approx(2, abs=1e-4)
    assert perplexities(logits, jnp.zeros((1, 3), bool))[0] == pytest.approx(1, abs=1e-4)


def test_ids():
    np.testing.assert_array_equal(joint_ids(jnp.array([[[2, 1], [0, 3]]]), 4), [[9, 3]])
    ids, count = merge_repeats(np.array([[3, 3, 5, 5, 3, 3], [7, 7, 7, 7, 1, 1]]), np.array([5, 4]))
    np.testing.assert_array_equal(ids, [[3, 5, 3, 0, 0, 0], [7, 0, 0, 0, 0, 0]])
    np.testing.assert_array_equal(count, [3, 1])
    with pytest.raises(ConfigError, match="width 7"):
        GumbelQuantizer(size=3, width=7)
