"""The consistency loss against loops over frames and symbols in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.losses.consistency import consistency_loss

B, T, W = 3, 5, 4
FRAMES = np.array([5, 2, 0])


def by_hand(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the losses, and the gradient of their sum by the first logits: half of p - q, as q is a constant."""
    losses, gradient = np.zeros(B), np.zeros((B, T, W))
    for b, n in enumerate(FRAMES):
        for t in range(n):
            p, q = (np.exp(x[b, t]) / np.exp(x[b, t]).sum() for x in (first, second))
            for k in range(W):
                if p[k] > 0 and q[k] > 0:
                    losses[b] += 0.5 * (q[k] * np.log(q[k] / p[k]) + p[k] * np.log(p[k] / q[k]))
            gradient[b, t] = 0.5 * (p - q)
    return losses, gradient


def test_losses_and_gradients_are_those_of_the_equation():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, B, T, W)) * 3
    first[0, 1, 2] = second[0, 1, 2] = -np.inf  # a symbol that is left out
    losses, gradient = by_hand(first, second)
    padding = np.arange(T) >= FRAMES[:, None]
    first[padding], second[padding] = np.nan, np.inf
    inputs = jnp.asarray(first, jnp.float32), jnp.asarray(second, jnp.float32), FRAMES

    def total(*inputs):
        rows = consistency_loss(*inputs)
        return rows.sum(), rows

    (_, found), (by_first, by_second) = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True))(*inputs)
    np.testing.assert_allclose(found, losses, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_first, gradient, atol=1e-6)
    np.testing.assert_allclose(by_second, -gradient, atol=1e-6)


def test_equal_views_have_no_loss_and_half_precision_is_computed_in_float32():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(B, T, W)), jnp.bfloat16)
    losses = consistency_loss(logits, logits, FRAMES)
    assert losses.dtype == jnp.float32
    np.testing.assert_array_equal(losses, 0)
