"""Tests the cross-entropy of tokens against NumPy, and its memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.losses.tokens import token_cross_entropy, token_losses

B, U, D, V = 2, 7, 5, 11
RNG = np.random.default_rng(0)
STATES, TABLE = (jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in ((B, U, D), (V, D)))
TARGETS = RNG.integers(0, V, (B, U)).astype(np.int32)
COUNTS = np.arange(U) < np.array([[7], [4]])


def losses(states, table, **options):
    targets = jnp.where(COUNTS, TARGETS, 10**6)
    return token_cross_entropy(states, targets, COUNTS, logits=lambda x: x @ table.T, **options)


def all_at_once(states, table, smoothing=0.0):
    log_probs = jax.nn.log_softmax(states @ table.T)
    chosen = jnp.take_along_axis(log_probs, jnp.asarray(TARGETS)[..., None], axis=-1)[..., 0]
    share = smoothing * V / (V - 1)
    return -jnp.where(COUNTS, (1 - share) * chosen + share * log_probs.mean(-1), 0).sum(1)


@pytest.mark.parametrize(("block", "smoothing"), [(16, 0.0), (3, 0.1)])
def test_values_and_gradients_are_those_of_all_logits_at_once(block, smoothing):
    def total(loss):
        return jax.jit(jax.value_and_grad(lambda *x: loss(*x).sum(), (0, 1)))(STATES, TABLE)

    found = total(lambda *x: losses(*x, block=block, label_smoothing=smoothing))
    expected = total(lambda *x: all_at_once(*x, smoothing))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), found, expected)
    np.testing.assert_allclose(losses(STATES, TABLE, block=block), all_at_once(STATES, TABLE), rtol=1e-5)


def test_few_targets_cost_few_blocks():
    counts, calls = np.zeros((B, U), bool), []
    counts[0, [1, 5, 6]] = counts[1, 3] = True

    def logits(states):
        jax.debug.callback(lambda: calls.append(1))
        return states @ TABLE.T

    def total(states, table, **options):
        found = token_losses(states, TARGETS, counts, logits=lambda x: x @ table.T, block=2, **options)
        return found.losses.sum(), found

    grads = jax.jit(jax.value_and_grad(total, (0, 1), has_aux=True), static_argnames="sparse")
    found, expected = (grads(STATES, TABLE, sparse=sparse) for sparse in (True, False))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), found, expected)
    right = counts & (np.asarray(STATES @ TABLE.T).argmax(-1) == TARGETS)
    np.testing.assert_array_equal(found[0][1].right, right.sum(1))
    token_losses(STATES, TARGETS, counts, logits=logits, block=2, sparse=True)
    jax.effects_barrier()
    assert len(calls) == 2  # of four blocks: the first row has three targets


def test_smoothing_is_that_of_its_definition():
    """The target's probability of 1 - e, and e / (V - 1) for each of the others."""
    log_probs = np.asarray(jax.nn.log_softmax(STATES @ TABLE.T), np.float64)
    wanted = np.full((B, U, V), 0.1 / (V - 1))
    np.put_along_axis(wanted, TARGETS[..., None], 0.9, axis=-1)
    expected = -np.where(COUNTS, (wanted * log_probs).sum(-1), 0).sum(1)
    np.testing.assert_allclose(losses(STATES, TABLE, label_smoothing=0.1), expected, rtol=1e-5)


def test_the_logits_of_a_whole_batch_never_exist():
    rows, tokens, width, vocab = 8, 128, 16, 4096
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((rows, tokens, width), (vocab, width))]
    ids, counts = jnp.zeros((rows, tokens), jnp.int32), jnp.ones((rows, tokens), bool)

    def loss(states, table):
        return token_cross_entropy(states, ids, counts, logits=lambda x: x @ table.T).sum()

    program = jax.jit(jax.grad(loss, (0, 1))).lower(*shapes).compile()
    assert program.memory_analysis().temp_size_in_bytes < 4 * rows * tokens * vocab
