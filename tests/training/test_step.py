"""The training step on a model whose gradient is derived by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.state import averaged_variables, init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from tests.training.toy import SAMPLES, ToyTask, toy_batch

RATE = 0.1


def start(task, *, average=False):
    return init_state(task.init(jax.random.key(0)), (optax.sgd(RATE),), average=average)


def stepper(task, **options):
    return make_train_step(task, (Update(optax.sgd(RATE)),), schedule=lambda step: jnp.float32(step), **options)


def by_hand(kernel, batch, rows, weight):
    """Loss and gradient of the toy task over `rows`, in float64."""
    x, y = batch.samples[rows].astype(np.float64), batch.labels[rows, 0]
    error = x @ np.float64(kernel) - y
    return np.sum(error**2) / weight, 2 * error @ x / weight, 2 * error.sum() / weight


@pytest.mark.parametrize("reduction", ["mean_batch", "mean_volume"])
def test_filler_and_infeasible_rows_are_ignored(reduction):
    batch = toy_batch(1)
    batch.index[-2:] = -1
    batch.num_labels[-2] = SAMPLES + 1  # a filler row without an alignment is not counted as infeasible
    batch.num_labels[0] = SAMPLES + 1  # infeasible
    task = ToyTask()
    state = start(task)
    kernel = np.array(state.variables["params"]["dense"]["kernel"])
    rows = slice(1, 6)
    weight = 5 if reduction == "mean_batch" else batch.num_labels[rows].sum()
    loss, kernel_grad, bias_grad = by_hand(kernel, batch, rows, weight)

    state, metrics = stepper(task, loss_reduction=reduction)(state, batch, 0)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["grad_norm"], np.hypot(np.linalg.norm(kernel_grad), bias_grad), rtol=1e-5)
    np.testing.assert_allclose(state.variables["params"]["dense"]["kernel"], kernel - RATE * kernel_grad, rtol=1e-5)
    assert (metrics["examples"], metrics["infeasible"], metrics["skipped"]) == (6, 1, 0)
    assert metrics["squared"] == pytest.approx(by_hand(kernel, batch, rows, 5)[0], rel=1e-5)  # logged: a mean over rows
    assert metrics["audio_seconds"] == 6 * SAMPLES / task.sample_rate
    assert state.variables["batch_stats"]["seen"] == 1


def test_a_batch_of_filler_changes_no_parameter():
    batch = toy_batch(1)
    batch.index[:] = -1
    task = ToyTask()
    state = start(task)
    kernel = np.array(state.variables["params"]["dense"]["kernel"])
    state, metrics = stepper(task)(state, batch, 0)
    np.testing.assert_array_equal(state.variables["params"]["dense"]["kernel"], kernel)
    assert (metrics["loss"], metrics["examples"]) == (0, 0)


def test_a_gradient_that_is_not_finite_is_skipped_and_counted():
    task = ToyTask()
    step = stepper(task, average_decay=0.5)
    state, _ = step(start(task, average=True), toy_batch(1), 0)
    before = jax.tree.map(np.array, state)
    bad = toy_batch(2)
    bad.samples[3, 0] = np.nan
    state, metrics = step(state, bad, 0)
    assert metrics["skipped"] == 1 and (state.step, state.skipped) == (2, 1)
    jax.tree.map(
        np.testing.assert_array_equal,
        before._replace(step=0, skipped=0),
        jax.tree.map(np.array, state)._replace(step=0, skipped=0),
    )
    _, metrics = step(state, toy_batch(3), 0)
    assert metrics["learning_rate"] == 1  # two batches seen, one update made


def test_randomness_follows_from_seed_and_step():
    task = ToyTask(noise=1.0)
    step = stepper(task)

    def losses(seed):
        state, seen = start(task), []
        for _ in range(2):
            state, metrics = step(state, toy_batch(1), seed)
            seen.append(float(metrics["loss"]))
        return seen

    assert losses(0) == losses(0)
    assert losses(0)[0] != losses(1)[0]
    quiet = stepper(task)(start(task)._replace(step=jnp.int32(1)), toy_batch(1), 0)[1]["loss"]
    assert quiet != losses(0)[0]  # the same parameters draw different noise at another step


@pytest.mark.parametrize(("updates", "decay"), [(0, 0.1), (1000, 0.9)])
def test_the_average_follows_the_parameters(updates, decay):
    task = ToyTask()
    state = start(task, average=True)._replace(step=jnp.int32(updates))
    first = np.array(state.variables["params"]["dense"]["kernel"])
    state, _ = stepper(task, average_decay=0.9)(state, toy_batch(1), 0)
    expected = decay * first + (1 - decay) * np.array(state.variables["params"]["dense"]["kernel"])
    averaged = averaged_variables(state)
    np.testing.assert_allclose(averaged["params"]["dense"]["kernel"], expected, rtol=1e-6)
    assert averaged["batch_stats"]["seen"] == 1


def test_an_unknown_reduction_is_named():
    with pytest.raises(ConfigError, match='did you mean "mean_batch"'):
        stepper(ToyTask(), loss_reduction="mean_batches")


@pytest.mark.parametrize("reduction", ["mean_volume", "sum"])
def test_micro_batches_add_up_to_the_batch(reduction):
    batch = toy_batch(1)
    batch.index[-2:] = -1
    batch.num_labels[0] = SAMPLES + 1  # infeasible: the halves have two and three usable rows
    task = ToyTask()
    whole, expected = stepper(task, loss_reduction=reduction)(start(task), batch, 0)
    parts, metrics = stepper(task, loss_reduction=reduction, accumulate=2)(start(task), batch, 0)
    for name in expected:
        np.testing.assert_allclose(metrics[name], expected[name], rtol=1e-6, err_msg=name)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), parts.variables["params"], whole.variables["params"]
    )
    assert parts.variables["batch_stats"]["seen"] == 2  # each micro-batch moved the running statistics


def test_each_micro_batch_draws_its_own_noise():
    task = ToyTask(noise=1.0)
    batch = toy_batch(1)
    twice = jax.tree.map(lambda x: np.repeat(x[:4], 2, axis=0), batch)  # the two halves are equal
    _, one = stepper(task)(start(task), jax.tree.map(lambda x: x[:4], batch), 0)
    _, both = stepper(task, accumulate=2)(start(task), twice, 0)
    assert both["loss"] != one["loss"]
