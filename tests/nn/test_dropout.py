import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.dropout import Dropout


def test_dropout_keeps_the_mean_and_drops_the_rate() -> None:
    x = jnp.ones((100, 1001))
    y = Dropout(0.1).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_allclose(np.mean(np.asarray(y) == 0.0), 26 / 256, atol=0.005)
    np.testing.assert_allclose(np.mean(y), 1.0, atol=0.005)
    np.testing.assert_array_equal(Dropout(0.1).apply({}, x, train=False), x)
    np.testing.assert_array_equal(Dropout(0.0).apply({}, x, train=True), x)


def test_dropped_elements_have_no_gradient() -> None:
    def gradient(x):
        return jax.grad(lambda x: Dropout(0.5).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)}).sum())(x)

    kept = Dropout(0.5).apply({}, jnp.ones(1000), train=True, rngs={"dropout": jax.random.key(0)}) != 0
    np.testing.assert_array_equal(gradient(jnp.ones(1000)), jnp.where(kept, 2.0, 0.0))


def test_gradients_in_bfloat16_are_dropped_where_the_results_are() -> None:
    def drop(x):
        return Dropout(0.5).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)})

    x = jnp.ones((3, 333), jnp.bfloat16)
    np.testing.assert_array_equal(jax.grad(lambda x: drop(x).sum())(x), drop(x))


def test_bfloat16_keeps_the_mean_too() -> None:
    x = jax.random.uniform(jax.random.key(1), (1000, 1000), minval=0.5, maxval=1.5).astype(jnp.bfloat16)
    y = Dropout(0.1).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_allclose(y.astype(jnp.float32).mean(), x.astype(jnp.float32).mean(), rtol=0.001)
