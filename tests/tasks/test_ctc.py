import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.tasks.recognition import Utterances
from tests.log_probs import log_probs_of

CONFIG = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 32, "dither": 1e-5},
    "spec_augment": {"freq_masks": 1, "freq_width": 5, "time_masks": 1, "time_width": 0.1},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc", "vocab_size": 10},
}


@pytest.fixture(scope="module")
def trained():
    """Returns a task, its variables, and a batch whose second row is infeasible and whose last is a filler."""
    task = build(CONFIG)
    variables = jax.jit(task.init)(jax.random.key(0))
    rng = np.random.default_rng(0)
    batch = Utterances(
        samples=rng.normal(size=(3, 16000)).astype(np.float32),
        num_samples=np.array([16000, 4000, 0], np.int32),
        labels=rng.integers(0, 10, (3, 8)).astype(np.int32),
        num_labels=np.array([3, 8, 0], np.int32),
        index=np.array([7, 8, -1], np.int32),
    )
    return task, variables, batch


def test_loss_is_determined_by_the_key_and_updates_the_statistics(trained) -> None:
    task, variables, batch = trained
    loss = jax.jit(task.loss)
    losses, updates = loss(variables, batch, jax.random.key(1))
    assert losses.shape == (3,) and losses.dtype == jnp.float32
    assert np.isfinite(losses[0]) and np.isposinf(losses[1])  # 8 labels do not fit into 3 frames
    np.testing.assert_array_equal(loss(variables, batch, jax.random.key(1))[0], losses)
    assert loss(variables, batch, jax.random.key(2))[0][0] != losses[0]  # dropout, SpecAugment, dither differ
    assert set(updates) == {"batch_stats"}
    jax.tree.map(
        lambda a, b: np.testing.assert_equal(a.shape, b.shape), updates["batch_stats"], variables["batch_stats"]
    )
    assert all(
        not np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(updates["batch_stats"]), jax.tree.leaves(variables["batch_stats"]), strict=True)
    )


def test_an_infeasible_row_and_a_filler_change_no_gradient(trained) -> None:
    task, variables, batch = trained

    @jax.jit
    def gradient(batch: Utterances):
        def first_row(params):
            losses, _ = task.loss(variables | {"params": params}, batch, jax.random.key(1))
            return jnp.where(jnp.isfinite(losses), losses, 0.0).sum() - losses[2]

        return jax.grad(first_row)(variables["params"])

    usual = gradient(batch)
    spoilt = batch._replace(samples=np.where(np.arange(16000) < batch.num_samples[:, None], batch.samples, np.nan))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(usual))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), usual, gradient(spoilt))


def test_prediction_ignores_labels_and_padding(trained) -> None:
    task, variables, batch = trained
    predict = jax.jit(task.predict)
    tokens = predict(variables, batch)
    other = batch._replace(
        samples=np.where(np.arange(16000) < batch.num_samples[:, None], batch.samples, np.nan),
        labels=np.full_like(batch.labels, 10**6),
    )
    again = predict(variables, other)
    np.testing.assert_array_equal(tokens.num_tokens, again.num_tokens)
    assert tokens.num_tokens[2] == 0
    for b, n in enumerate(tokens.num_tokens):
        np.testing.assert_array_equal(tokens.ids[b, :n], again.ids[b, :n])
    log_probs, num_frames = jax.jit(log_probs_of(task))(variables, batch)
    np.testing.assert_allclose(np.exp(log_probs[0, : num_frames[0]]).sum(-1), 1.0, rtol=1e-5)
