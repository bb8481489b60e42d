"""Tests enhancement with masks: what comes out, padding, batches, gradients, channels."""

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.enhancement import EnhancementRows

MODEL = {
    "task": "enhancement",
    "stft": {"fft_length": 32, "hop": 16},
    "channels": 2,
    "estimator": {"name": "mask_rnn", "num_outputs": 2, "width": 6, "num_layers": 2, "phase_differences": True},
    "processor": {"name": "reference"},
    "loss": {"name": "sdr", "scale_invariant": True},
}
LENGTHS = np.array([200, 131, 90], np.int32)


def rows(channels=2, outputs=2, size=200, seed=0):
    """A batch with NaN in its padding."""
    rng = np.random.default_rng(seed)
    beyond = np.arange(size) >= LENGTHS[:, None, None]
    samples, targets = (
        np.where(beyond, np.nan, rng.standard_normal((3, n, size))).astype(np.float32) for n in (channels, outputs)
    )
    return EnhancementRows(np.arange(3), samples, LENGTHS, targets)


@pytest.fixture(scope="module")
def task():
    return build(MODEL)


@pytest.fixture(scope="module")
def variables(task):
    return jax.jit(task.init)(jax.random.key(0))


@pytest.fixture(scope="module")
def learned(task):
    """A jitted function of (variables, batch) -> ((sum of losses, losses), gradients)."""

    def total(params, variables, batch):
        losses, _ = task.loss({**variables, "params": params}, batch, jax.random.key(1))
        return losses.sum(), losses

    found = jax.jit(jax.value_and_grad(total, has_aux=True))
    return lambda variables, batch: found(variables["params"], variables, batch)


def test_outputs_are_as_long_as_their_rows(task, variables):
    batch = rows()
    enhance = jax.jit(task.inference.enhance)
    found = np.asarray(enhance(variables, batch.samples, batch.num_samples))
    assert found.shape == (3, 2, 200) and found.dtype == np.float32 and np.isfinite(found).all()
    for row, n in zip(found, LENGTHS, strict=True):
        assert not row[:, n:].any() and np.abs(row[:, n - 4 : n]).min() > 0  # the last samples are there
    # The order of the rows, and what they are padded to, do not matter.
    again = enhance(variables, batch.samples[[1, 2, 1]], LENGTHS[[1, 2, 1]])
    np.testing.assert_allclose(again, found[[1, 2, 1]], atol=1e-6)


def test_losses_and_gradients_ignore_the_padding(variables, learned):
    batch = rows()
    (_, losses), gradients = learned(variables, batch)
    assert np.isfinite(losses).all()
    assert all(np.isfinite(x).all() and np.abs(x).max() > 0 for x in jax.tree.leaves(gradients))
    filled = EnhancementRows(*(np.nan_to_num(x, nan=0.5) for x in batch))
    (_, again), other = learned(variables, filled)
    np.testing.assert_allclose(again, losses, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), gradients, other)


def test_a_filler_row_teaches_nothing(variables, learned):
    batch = rows()
    empty = batch._replace(num_samples=np.array([200, 0, 90], np.int32))
    (_, losses), gradients = learned(variables, empty)
    assert np.isinf(losses[1]) and np.isfinite(np.asarray(losses)[[0, 2]]).all()
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradients))


def test_settings_that_contradict_each_other():
    with pytest.raises(ConfigError, match=r"model.channels is missing"):
        build({name: value for name, value in MODEL.items() if name != "channels"})
    with pytest.raises(ConfigError, match=r"mixture_consistency is for one channel, not 2"):
        build(MODEL | {"mixture_consistency": "power"})
    with pytest.raises(ConfigError, match=r"processor 'spectrum' is for estimators of spectra"):
        build(MODEL | {"processor": {"name": "spectrum"}})
    with pytest.raises(ConfigError, match=r'model.stft.hops is not a field; did you mean "hop"'):
        build(MODEL | {"stft": {"hops": 3}})
