"""LoRA beside a matrix: no change at the start, dropout on its own branch only, named targets only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.low_rank import LoraOptions, Projection

LORA = LoraOptions(2, 8, 0.5, ("query",))


class Two(nn.Module):
    @nn.compact
    def __call__(self, x, *, train=False):
        query = Projection(3, use_bias=True, lora=LORA, name="query")(x, train=train)
        return query, Projection(3, lora=LORA, name="key")(x, train=train)


def test_changes_nothing_at_the_start_and_drops_only_its_input():
    x = jax.random.normal(jax.random.key(0), (5, 4))
    params = Two().init(jax.random.key(1), x)["params"]
    assert set(params["query"]) == {"kernel", "bias", "lora_a", "lora_b"} and set(params["key"]) == {"kernel"}
    assert np.abs(params["query"]["lora_a"]).max() > 0

    @jax.jit
    def run(params):
        plain, key = Two().apply({"params": params}, x)
        drop = [Two().apply({"params": params}, x, train=True, rngs={"dropout": jax.random.key(i)}) for i in range(2)]
        return plain, key, *drop

    plain, key, (first, _), (second, other) = run(params)
    wanted = x @ params["query"]["kernel"] + params["query"]["bias"]
    np.testing.assert_allclose(plain, wanted, atol=1e-6)
    np.testing.assert_array_equal(first, plain)  # B is 0
    b = jnp.ones((2, 3))
    changed = params | {"query": params["query"] | {"lora_b": b}}
    plain, _, (first, _), (second, _) = run(changed)
    np.testing.assert_allclose(plain, wanted + 8 / 2 * x @ params["query"]["lora_a"] @ b, atol=1e-5)
    assert np.abs(first - plain).max() > 1e-3 and np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(other, key)
