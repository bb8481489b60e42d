"""Tests the aligner against its equations in float64, one recording at a time."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.features.prior import beta_binomial_prior
from jaxspeech.nn.aligner import Aligner

FRAMES, SYMBOLS = np.array([9, 5]), np.array([4, 3])


def convolve(x, params):
    kernel, bias = (np.asarray(params[name], np.float64) for name in ("kernel", "bias"))
    half = len(kernel) // 2
    padded = np.pad(x, ((half, half), (0, 0)))
    return bias + sum(padded[i : i + len(x)] @ tap for i, tap in enumerate(kernel))


def by_definition(params, mel, text, prior):

    def relu(x):
        return np.maximum(x, 0)

    keys = convolve(relu(convolve(text, params["key_in"])), params["key_out"])
    queries = convolve(relu(convolve(mel, params["query_in"])), params["query_middle"])
    queries = convolve(relu(queries), params["query_out"])
    scores = -0.02 * ((queries[:, None] - keys) ** 2).sum(-1)
    scores = np.log(np.exp(scores) / np.exp(scores).sum(1, keepdims=True)) + np.log(prior + 1e-8)
    return scores, np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


def test_rows_are_as_alone_and_gradients_finite():
    rng = np.random.default_rng(0)
    mel, text = rng.normal(size=(2, 9, 6)).astype(np.float32), rng.normal(size=(2, 4, 5)).astype(np.float32)
    padded = mel.copy(), text.copy()
    for b in range(2):
        padded[0][b, FRAMES[b] :], padded[1][b, SYMBOLS[b] :] = np.nan, np.nan
    model = Aligner(channels=7, temperature=0.02)
    prior = jax.jit(lambda: beta_binomial_prior(FRAMES, SYMBOLS, 9, 4))()
    one = jnp.ones(1, jnp.int32)
    params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 2, 6)), one, jnp.zeros((1, 2, 5)), one)

    @jax.jit
    def run(params):
        def loss(params):
            found = model.apply(params, *map(jnp.asarray, (padded[0], FRAMES, padded[1], SYMBOLS)), prior)
            real = (jnp.arange(9)[:, None] < FRAMES[:, None, None]) & (jnp.arange(4) < SYMBOLS[:, None, None])
            return jnp.where(real, found.log_probs, 0).sum() + jnp.where(real, found.scores, 0).sum(), found

        return jax.value_and_grad(loss, has_aux=True)(params)

    (_, found), grads = run(params)
    for b, (t, n) in enumerate(zip(FRAMES, SYMBOLS, strict=True)):
        scores, probs = by_definition(params["params"], mel[b, :t], text[b, :n], np.asarray(prior)[b, :t, :n])
        np.testing.assert_allclose(found.scores[b, :t, :n], scores, atol=1e-5)
        np.testing.assert_allclose(np.exp(found.log_probs[b, :t, :n]), probs, atol=1e-6)
        assert np.isneginf(found.log_probs[b, :t, n:]).all()
    assert all(np.isfinite(g).all() and np.any(g) for g in jax.tree.leaves(grads))
