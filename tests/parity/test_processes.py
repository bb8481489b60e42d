"""Compares schedules, and samplers step by step, with NeMo's."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.processes.bridge import BridgeODE, BridgeSDE, BridgeVE, BridgeVP
from jaxspeech.processes.flow import Euler, Flow
from jaxspeech.processes.ou_ve import OUVE, PredictorCorrector
from jaxspeech.processes.sampler import Position, Steps, step
from tests.parity.reference import arrays_of


def spectra(array):
    """NeMo's [B C F N] in our layout."""
    return jnp.asarray(array.swapaxes(-1, -2).astype(np.complex64))


def without(settings, *names):
    return {name: value for name, value in settings.items() if name not in {"num_steps", "dt", *names}}


def test_schedules(request):
    nemo, notes = arrays_of("enh_schedules", request)
    time = jnp.asarray(nemo["time"])
    ou = OUVE(**without(notes["ou"], "log_std_ratio"))
    assert ou.log_ratio == pytest.approx(notes["ou"]["log_std_ratio"], rel=1e-12)
    np.testing.assert_allclose(ou.std(time), nemo["ou.std"], rtol=1e-5)
    np.testing.assert_allclose(ou.diffusion(time), nemo["ou.diffusion"].reshape(-1), rtol=1e-5)
    for name, kind in (("ve", BridgeVE), ("vp", BridgeVP)):
        bridge = kind(**without(notes[name]))
        at = jnp.asarray(nemo[f"{name}.time"])
        for part in ("alpha", "alpha_bar", "sigma", "sigma_bar"):
            np.testing.assert_allclose(
                getattr(bridge, part)(at), nemo[f"{name}.{part}"], rtol=1e-4, atol=2e-4, err_msg=f"{name}.{part}"
            )
        assert bridge.last_alpha == pytest.approx(nemo[f"{name}.alpha_t_max"].item(), rel=1e-5)
        assert np.sqrt(bridge.last_variance) == pytest.approx(nemo[f"{name}.sigma_t_max"].item(), rel=1e-5)


def test_paths_of_flows(request):
    nemo, notes = arrays_of("enh_schedules", request)
    start, end, point = (spectra(nemo[f"flow.{name}"]) for name in ("x_start", "x_end", "point"))
    for name in ("flow.ot", "flow.icfm", "flow.wide"):
        flow, time = Flow(**notes[name]), jnp.asarray(nemo["time"])
        mean = flow.perturb(end, time, jnp.zeros_like(end), start)
        np.testing.assert_allclose(mean, spectra(nemo[f"{name}.mean"]), atol=1e-6)
        np.testing.assert_allclose(flow.std(time), nemo[f"{name}.std"].reshape(-1), rtol=1e-6)
        velocity, theirs = flow.velocity(point, end, time, start), spectra(nemo[f"{name}.vector_field"])
        # Where s(t) is 1e-4 its rounding counts.
        np.testing.assert_allclose(velocity, theirs, atol=1e-4 * np.abs(theirs).max())


CASES = {
    "enh_score.pc3": (OUVE(), PredictorCorrector(num_steps=3)),
    "enh_flow.euler4": (Flow(), Euler(num_steps=4)),
    "enh_flow.euler4_data": (Flow(estimates="data"), Euler(num_steps=4)),
    "enh_flow_ssl.euler2": (Flow(), Euler(num_steps=2)),
    "enh_sb.sde3": (BridgeVE(), BridgeSDE(num_steps=3)),
    "enh_sb.sde3_current": (BridgeVE(), BridgeSDE(num_steps=3, network_time="current")),
    "enh_sb.ode3": (BridgeVE(), BridgeODE(num_steps=3, eps=1e-8)),
}


@pytest.mark.parametrize("case", CASES)
def test_every_step_from_the_estimates_of_nemo(case, request):
    name, key = case.split(".")
    process, sampler = CASES[case]
    nemo, _ = arrays_of(name, request)
    noisy, real = spectra(nemo[f"{key}.call0.input"])[:, 1:], int(nemo["encoded_len"][1])
    draws = [spectra(nemo[f"{key}.draw{i}"]) for i in range(sum(x.startswith(f"{key}.draw") for x in nemo))]
    first = isinstance(sampler, (PredictorCorrector, Euler))  # whose first state is drawn
    state, anchor = sampler.begin(process, noisy, lambda number: draws[number])
    steps = sampler.steps(process)
    position = Position(state, state, jnp.zeros_like(state), state)
    for number in range(len(steps.time)):
        shown = spectra(nemo[f"{key}.call{number}.input"])
        for row, frames in ((0, None), (1, real)):
            ours, theirs = position.state[row, :, :frames], shown[row, :1, :frames]
            bound = 5e-4 if key == "ode3" else 1e-5  # NeMo's first step of this kind loses digits
            assert np.abs(ours - theirs).max() < bound * np.abs(theirs).max(), number
        np.testing.assert_allclose(steps.time[number], nemo[f"{key}.call{number}.condition"], atol=1e-7)
        noise = draws[first + number] if number + first < len(draws) else 0.0
        row = Steps(*(column[number] for column in steps))
        position = step(position, spectra(nemo[f"{key}.call{number}.output"]), row, anchor, noise)
    assert f"{key}.call{len(steps.time)}.input" not in nemo
