"""Tests enhancement with masks: what comes out, padding, batches, gradients, channels."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.tasks.enhancement import ChannelAugment, EnhancementRows, with_channels
from jaxspeech.tasks.enhancement_losses import MAELoss, SDRLoss, in_best_order
from tests.interop.random_model import task_variables

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
    return task_variables(task)


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


def test_masks_of_normalised_magnitudes_do_not_depend_on_the_level(variables):
    normalised = {"magnitude_power": 0.3, "magnitude_norm": "mean_var"}
    task, batch = build(MODEL | {"estimator": MODEL["estimator"] | normalised}), rows()
    enhance = jax.jit(task.inference.enhance)
    found = enhance(variables, batch.samples, batch.num_samples)
    louder = enhance(variables, 100 * batch.samples, batch.num_samples)
    np.testing.assert_allclose(louder, 100 * found, rtol=1e-3, atol=1e-3)


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


FLEXIBLE = {"name": "mask_channels", "num_blocks": 1, "num_layers": 1, "width": 8}
PROCESSORS = [
    ({"name": "beamformer", "reference": "max_snr", "subband_weights": True}, 2),
    ({"name": "wpe", "taps": 2}, 3),
]


@pytest.mark.parametrize(("processor", "outputs"), PROCESSORS)
def test_any_number_of_channels(processor, outputs):
    """The parameters of one number are those of another."""
    masks = 1 if processor["name"] == "wpe" else 2
    model = {name: value for name, value in MODEL.items() if name != "channels"}
    task = build(model | {"estimator": FLEXIBLE | {"num_outputs": masks}, "processor": processor})
    variables = jax.eval_shape(task.init, jax.random.key(0))
    assert task.inference.channels is None
    assert ("processor" in variables["params"]) == ("subband_weights" in processor)
    batch = rows(channels=3)
    found = jax.eval_shape(task.inference.enhance, variables, batch.samples, batch.num_samples)
    assert found.shape == (3, outputs, 200)


def test_each_step_draws_channels():
    samples = jnp.broadcast_to(jnp.arange(5.0)[None, :, None], (4, 5, 1))
    options = ChannelAugment(fewest=2, most=4)

    def drawn(key):
        """The channels of the first row, in order; -1 where there are fewer."""
        return with_channels(
            lambda x: jnp.pad(x[..., 0], ((0, 0), (0, 4 - x.shape[1])), constant_values=-1), samples, options, key
        )

    found = np.asarray(jax.jit(jax.vmap(drawn))(jax.random.split(jax.random.key(0), 40)))
    counts = (found >= 0).sum(-1)
    assert (counts == counts[:, :1]).all() and {*counts[:, 0].tolist()} == {2, 3, 4}
    for step in found:
        assert len({tuple(row) for row in step}) > 1 and all(len({*row[row >= 0]}) == (row >= 0).sum() for row in step)
    with pytest.raises(ConfigError, match="fewest is 2; the recordings have 1 channels"):
        with_channels(lambda x: x, samples[:, :1], options, jax.random.key(0))


@pytest.mark.parametrize("loss", [SDRLoss(scale_invariant=True, weight=(0.9, 0.1)), MAELoss()])
def test_separated_sources_have_no_order(loss):
    batch = rows()
    targets = np.nan_to_num(batch.targets)
    swapped = targets.copy()
    swapped[1] = swapped[1, ::-1]
    rng = np.random.default_rng(1)
    estimates = targets + 0.1 * rng.standard_normal(targets.shape).astype(np.float32)
    found = jax.jit(partial(in_best_order, loss))(estimates, swapped, batch.num_samples)
    np.testing.assert_array_equal(found, targets)
