"""Schedules and samplers, against the equations that they solve."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.processes.bridge import BridgeHeun, BridgeODE, BridgeSDE, BridgeVE, BridgeVP
from jaxspeech.processes.flow import Euler, Flow, Heun, Midpoint
from jaxspeech.processes.ou_ve import OUVE, PredictorCorrector
from jaxspeech.processes.sampler import sample

BRIDGES = (BridgeVE(), BridgeVP(beta_1=4.0))
# Clean values are normal with this mean and standard deviation, so the best estimates are known.
MEAN, STD = 0.7, 0.6
ZERO = jnp.zeros((1, 1, 1, 1), jnp.complex64)


def spectrum(seed, scale=1.0):
    real = np.random.default_rng(seed).normal(size=(2, 1, 5, 3, 2))
    return jnp.asarray((real @ [1, 1j]) * scale / np.sqrt(2), jnp.complex64)


def filled(value, like):
    return jnp.full_like(like, value)


def ends(sampler, process, network, start):
    return np.asarray(jax.jit(lambda start: sample(sampler, process, network, start, lambda number: start).mean)(start))


@pytest.mark.parametrize("bridge", BRIDGES, ids=["ve", "vp"])
def test_a_known_estimate_gives_the_marginals_of_the_bridge(bridge):
    clean, noisy = spectrum(0), spectrum(1)
    for number in (1, 7):
        ode = ends(BridgeODE(num_steps=number, time_min=0.3), bridge, lambda state, time: clean, noisy)
        expected = bridge.perturb(clean, noisy, jnp.full(2, 0.3), filled(0, clean))
        np.testing.assert_allclose(ode, expected, atol=1e-4)
        steps, mean, spread = BridgeSDE(num_steps=number, time_min=0.3).steps(bridge), noisy, 0.0
        for base, estimate, noise in zip(steps.base, steps.estimate, steps.noise, strict=True):
            mean, spread = base * mean + estimate * clean, base**2 * spread + noise**2
        np.testing.assert_allclose(mean, expected, atol=1e-5)
        std = bridge.perturb(ZERO, ZERO, jnp.full(1, 0.3), ZERO + 1).item()
        assert abs(np.sqrt(spread) - std) < 1e-5


def test_solvers_of_second_order_need_fewer_steps():
    start = spectrum(2)

    def velocity(flow):
        def estimate(state, time):
            # For normal x_1 the best estimate is linear in x_t; the velocity follows from both.
            spread = flow.std(time) ** 2 + (time * STD) ** 2
            clean = MEAN + time * STD**2 / spread * (state - time * MEAN)
            if flow.estimates == "data":
                return clean
            return clean + (flow.sigma_end - flow.sigma_start) * (state - time * clean) / flow.std(time)

        return estimate

    # In the end every value has moved to its place in the distribution of clean values.
    exact = MEAN + np.hypot(STD, 0.1) * np.asarray(start)
    for flow in (Flow(sigma_end=0.1), Flow(sigma_end=0.1, estimates="data")):
        errors = {
            (kind, number): np.abs(ends(kind(num_steps=number), flow, velocity(flow), start) - exact).max()
            for kind, number in ((Euler, 16), (Heun, 4), (Heun, 8), (Midpoint, 4), (Midpoint, 8))
        }
        for kind in (Heun, Midpoint):
            assert errors[kind, 8] < errors[kind, 4] / 2 and errors[kind, 8] < errors[Euler, 16] / 4, errors


@pytest.mark.parametrize("bridge", BRIDGES, ids=["ve", "vp"])
def test_the_bridge_of_second_order_needs_fewer_steps(bridge):
    noisy = spectrum(3)

    def estimate(state, time):
        """The best one if the clean value is 1 or -1, and 1 is more probable."""
        shape = jnp.reshape(time, (1,))
        weight, std = (bridge.perturb(ZERO + x, ZERO, shape, ZERO + z).real for x, z in ((1, 0), (0, 1)))
        rest = state - bridge.perturb(ZERO, ZERO + 1, shape, ZERO) * noisy
        return jnp.tanh(0.5 + 2 * rest.real * weight / std**2).astype(state.dtype)

    fine = ends(BridgeHeun(num_steps=200, time_min=0.5), bridge, estimate, noisy)
    first = np.abs(ends(BridgeODE(num_steps=16, time_min=0.5), bridge, estimate, noisy) - fine).max()
    second = np.abs(ends(BridgeHeun(num_steps=8, time_min=0.5), bridge, estimate, noisy) - fine).max()
    assert second < first / 4, (first, second)


def test_the_exact_score_gives_the_distribution_of_clean_values():
    process, sampler = OUVE(), PredictorCorrector(num_steps=60, snr=0.3)
    noisy = jnp.full((4096, 1, 1, 1), 0.2 + 0.1j, jnp.complex64)

    def score(state, time):
        weight = jnp.exp(-process.stiffness * time)
        mean = weight * MEAN + (1 - weight) * noisy
        return -(state - mean) / (process.std(time) ** 2 + (weight * STD) ** 2)

    def draw(number):
        return jax.random.normal(jax.random.fold_in(jax.random.key(0), number), noisy.shape, jnp.complex64)

    end = np.asarray(jax.jit(lambda noisy: sample(sampler, process, score, noisy, draw).state)(noisy))
    weight = np.exp(-process.stiffness * process.time_min)
    assert abs(end.mean() - (weight * MEAN + (1 - weight) * (0.2 + 0.1j))) < 0.03
    assert abs(end.std() - np.hypot(weight * STD, process.std(process.time_min, np))) < 0.03


@pytest.mark.parametrize(
    ("sampler", "process"),
    [(PredictorCorrector(3), OUVE()), (Euler(3), Flow(estimates="data")), (BridgeSDE(3), BridgeVE())],
)
def test_a_zero_stays_zero(sampler, process):
    mask = jnp.arange(5)[None, None, :, None] < jnp.asarray([5, 3])[:, None, None, None]

    def run(x):
        return sample(sampler, process, lambda state, time: mask * (state + 1), mask * x, lambda number: mask * x).state

    end = np.asarray(jax.jit(run)(spectrum(4)))
    assert not np.any(end[1, :, 3:]) and np.isfinite(end).all()
