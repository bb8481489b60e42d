"""A step of two phases, a discriminator's and a generator's, against gradients that are derived by hand."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxspeech.errors import ConfigError
from jaxspeech.training.optimizer import OPTIMIZERS
from jaxspeech.training.parameters import path_name
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import build_updates
from jaxspeech.types import Phase, RowLosses

RATE = 0.05


class Points(NamedTuple):
    x: np.ndarray
    index: np.ndarray


class Adversarial(NamedTuple):
    """fake = g x; the discriminator's loss is (d x - 1)^2 + (d fake)^2, the generator's (d fake - 1)^2 + noise g."""

    noise: float = 0.0

    def init(self, key):
        return {"params": {"discriminator": {"d": jnp.float32(0.7)}, "generator": {"g": jnp.float32(0.3)}}}

    @property
    def phases(self):
        return (
            Phase(self.discriminator, trains="^discriminator/", name="discriminator"),
            Phase(self.generator, trains="^generator/", name="generator"),
        )

    def seconds(self, batch):
        return jnp.zeros(batch.index.shape)

    def _parts(self, variables, batch):
        d, g = variables["params"]["discriminator"]["d"], variables["params"]["generator"]["g"]
        return d, g * batch.x, g

    def discriminator(self, variables, batch, key):
        d, fake, _ = self._parts(variables, batch)
        losses = (d * batch.x - 1) ** 2 + (d * fake) ** 2
        return RowLosses(losses, jnp.ones_like(losses), {"real": d * batch.x}), {}

    def generator(self, variables, batch, key):
        d, fake, g = self._parts(variables, batch)
        losses = (d * fake - 1) ** 2 + self.noise * g * jax.random.normal(key, batch.x.shape)
        return RowLosses(losses, jnp.ones_like(losses), {}), {}


BATCH = Points(np.array([0.5, -1.0, 2.0, 7.0], np.float32), np.array([0, 1, 2, -1], np.int32))


def stepper(task, optimizer, *, freeze=(), **options):
    updates, schedule = build_updates(optimizer, task.phases, steps=10, freeze=freeze)
    state = init_state(task.init(jax.random.key(0)), [update.optimizer for update in updates])
    return make_train_step(task, updates, schedule=schedule, **options), state


def by_hand(steps):
    """d and g after `steps` steps of gradient descent, the discriminator's first, in float64."""
    x, d, g = BATCH.x[:3].astype(np.float64), 0.7, 0.3
    for _ in range(steps):
        d = d - RATE * np.mean(2 * (d * x - 1) * x + 2 * d * (g * x) ** 2)
        g = g - RATE * np.mean(2 * (d * g * x - 1) * d * x)
    return d, g


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_generator_sees_the_discriminator_that_was_just_updated(monkeypatch, accumulate):
    monkeypatch.setitem(OPTIMIZERS, "sgd", lambda learning_rate: optax.sgd(learning_rate))
    step, state = stepper(Adversarial(), {"name": "sgd", "learning_rate": RATE}, accumulate=accumulate)
    for done in (1, 2):
        state, metrics = step(state, BATCH, 0)
        d, g = by_hand(done)
        np.testing.assert_allclose(state.variables["params"]["discriminator"]["d"], d, rtol=1e-5)
        np.testing.assert_allclose(state.variables["params"]["generator"]["g"], g, rtol=1e-5)
    assert metrics["loss"] == metrics["generator/loss"] != metrics["discriminator/loss"]
    before, _ = by_hand(1)
    np.testing.assert_allclose(metrics["discriminator/real"], before * BATCH.x[:3].mean(), rtol=1e-5)
    assert (metrics["examples"], metrics["infeasible"], metrics["audio_seconds"]) == (3, 0, 0)


def test_each_phase_has_moments_only_for_its_own_parameters():
    _, state = stepper(Adversarial(), {"name": "adamw", "learning_rate": RATE})
    assert isinstance(state.opt_state, tuple) and len(state.opt_state) == 2
    for own, other, moments in zip(("/d", "/g"), ("/g", "/d"), state.opt_state, strict=True):
        named = [path_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(moments)]
        assert any(name.endswith(own) for name in named) and not any(name.endswith(other) for name in named)


def test_a_gradient_that_is_not_finite_in_either_phase_changes_nothing():
    step, state = stepper(Adversarial(), {"name": "adamw", "learning_rate": RATE})
    state, _ = step(state, BATCH, 0)
    before = jax.tree.map(np.array, state)
    bad = BATCH._replace(x=np.array([np.inf, 1, 1, 1], np.float32))
    state, metrics = step(state, bad, 0)
    assert metrics["skipped"] == 1 and state.skipped == 1
    jax.tree.map(np.testing.assert_array_equal, before.variables, jax.tree.map(np.array, state.variables))
    jax.tree.map(np.testing.assert_array_equal, before.opt_state, jax.tree.map(np.array, state.opt_state))


def test_the_noise_of_a_phase_follows_from_seed_and_step():
    step, state = stepper(Adversarial(noise=1.0), {"name": "adamw", "learning_rate": RATE})
    _, first = step(state, BATCH, 0)
    _, state = stepper(Adversarial(noise=1.0), {"name": "adamw", "learning_rate": RATE})
    _, again = step(state, BATCH, 0)
    assert first["generator/loss"] == again["generator/loss"]
    _, state = stepper(Adversarial(noise=1.0), {"name": "adamw", "learning_rate": RATE})
    _, other = step(state, BATCH, 1)
    assert first["generator/loss"] != other["generator/loss"]
    assert first["discriminator/loss"] == other["discriminator/loss"]  # the discriminator draws no noise


def test_a_frozen_phase_is_refused():
    with pytest.raises(ConfigError, match="leave no parameter to train"):
        task = Adversarial()
        updates, _ = build_updates(
            {"name": "adamw", "learning_rate": RATE}, task.phases, steps=1, freeze=("generator",)
        )
        init_state(task.init(jax.random.key(0)), [update.optimizer for update in updates])
