"""Tests the cross-entropy against its definition in float64."""

import jax
import numpy as np

from jaxspeech.losses import cross_entropy
from jaxspeech.losses.classification import label_weights

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(5, 7, 4)) * 3, RNG.integers(0, 4, (5, 7))
WEIGHTS = (0.5, 2.0, 1.0, 0.0)


def by_definition(logits, labels, weights, smoothing):
    target = np.eye(logits.shape[-1])[labels] * (1 - smoothing) + smoothing / logits.shape[-1]
    log_probs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -(target * np.asarray(weights) * log_probs).sum(-1)


def test_losses_follow_the_definition():
    for weights, smoothing in (((), 0.0), (WEIGHTS, 0.0), ((), 0.1), (WEIGHTS, 0.3)):
        ours = jax.jit(cross_entropy, static_argnames=("weights", "label_smoothing"))(
            LOGITS, LABELS, weights=weights, label_smoothing=smoothing
        )
        np.testing.assert_allclose(ours, by_definition(LOGITS, LABELS, weights or 1.0, smoothing), rtol=1e-5)
    np.testing.assert_array_equal(label_weights(LABELS, weights=WEIGHTS), np.array(WEIGHTS, np.float32)[LABELS])
    np.testing.assert_array_equal(label_weights(LABELS), 1)


def test_padding_gives_a_finite_loss_and_gradient():
    labels = np.array([1, 10**6, -1])
    loss, gradient = jax.value_and_grad(lambda x: cross_entropy(x, labels, weights=WEIGHTS).sum())(LOGITS[:3, 0])
    assert np.isfinite(loss) and np.isfinite(gradient).all()
