import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.nn.dropout import Dropout, random_bytes


def test_bytes_are_uniform_and_independent() -> None:
    size = 2**20
    one = np.asarray(random_bytes(jax.random.key(0), (size,)))
    for other in (
        np.asarray(random_bytes(jax.random.key(1), (size,))),  # another key
        np.asarray(random_bytes(jax.random.fold_in(jax.random.key(0), 1), (size,))),
        np.roll(one, 1),  # neighbours, within a word and across
        np.roll(one, 4),
        np.roll(one, 1024),
    ):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(size)
    counts = np.bincount(one, minlength=256)
    chi_square = ((counts - size / 256) ** 2 / (size / 256)).sum()
    assert 150 < chi_square < 380  # 255 degrees of freedom: six standard deviations
    np.testing.assert_array_equal(one[:10], random_bytes(jax.random.key(0), (2, 5)).reshape(-1))


def test_dropout_keeps_the_mean_and_drops_the_rate() -> None:
    x = jnp.ones((100, 1001))
    y = Dropout(0.1).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_allclose(np.mean(np.asarray(y) == 0.0), 26 / 256, atol=0.005)
    np.testing.assert_allclose(np.mean(y), 1.0, atol=0.005)
    np.testing.assert_array_equal(Dropout(0.1).apply({}, x, train=False), x)
    np.testing.assert_array_equal(Dropout(0.0).apply({}, x, train=True), x)


def test_what_is_dropped_passes_no_gradient_and_no_nan() -> None:
    def gradient(x):
        return jax.grad(lambda x: Dropout(0.5).apply({}, x, train=True, rngs={"dropout": jax.random.key(0)}).sum())(x)

    kept = Dropout(0.5).apply({}, jnp.ones(1000), train=True, rngs={"dropout": jax.random.key(0)}) != 0
    np.testing.assert_array_equal(gradient(jnp.ones(1000)), jnp.where(kept, 2.0, 0.0))
