"""Compares generative enhancement, loaded from NeMo's files, with NeMo: losses, gradients, samples."""

import subprocess
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.features.stft import istft
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.masks import length_mask
from jaxspeech.tasks.enhancement import EnhancementRows
from jaxspeech.tasks.generative_enhancement import Draws, generate, generative_losses
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

# The samplers that were run besides the one of the file.
OTHERS = {
    "ode3": {"name": "bridge_ode", "num_steps": 3, "eps": 1e-8, "time_min": 1e-4, "time_max": 1.0},
    "sde3_current": {"name": "bridge_sde", "num_steps": 3, "network_time": "current", "eps": 1e-8},
    "euler4_data": {"name": "euler", "num_steps": 4},
}
MODELS = ("enh_score", "enh_flow", "enh_flow_ssl", "enh_sb")
# A quick run has every step of every sampler in test_processes.py, and one whole model here.
SLOW = [name if name == "enh_flow_ssl" else pytest.param(name, marks=pytest.mark.slow) for name in MODELS]
GRADIENTS = 1e-3
SCRIPT = Path(__file__).with_name("enhancement_with_nemo.py")


def spectra(array):
    """NeMo's [B C F N] in our layout."""
    return jnp.asarray(array.swapaxes(-1, -2))


def as_nemo(model, **more):
    """The configuration with NeMo's number of frames, and with norms over the padding of a batch."""
    estimator = model["estimator"]
    if estimator["name"] == "ncsnpp":
        estimator = estimator | {"norm_over_padding": True}
    return model | {"stft": model["stft"] | {"exact_tail": False}, "estimator": estimator} | more


@pytest.fixture(scope="module", params=SLOW)
def loaded(request):
    path, nemo, _ = reference(request.param, request)
    return load_nemo(path), nemo


def draws_of(nemo, archive):
    """What NeMo drew for its training step."""
    low, high = (getattr(build(archive.model).model.process, name) for name in ("time_min", "time_max"))
    flow = archive.model["process"]["name"] == "flow"
    time = low + (high - low) * nemo["train.draw1" if flow else "train.draw0"]
    noise = spectra(nemo["train.draw2" if flow else "train.draw1"])
    # The frames that NeMo hid by chance are zeros in the network's input, as is a dropped condition.
    shown = np.abs(spectra(nemo["train.call0.input"])[:, 1]).max(-1) > 0
    return Draws(jnp.asarray(time, jnp.float32), noise, jnp.asarray(shown))


def test_losses_and_gradients(loaded):
    archive, nemo = loaded
    model = build(as_nemo(archive.model)).model
    batch = EnhancementRows(np.arange(2), nemo["audio"], nemo["audio_len"].astype(np.int32), nemo["target"])
    draws = draws_of(nemo, archive)
    np.testing.assert_allclose(draws.time, nemo["train.call0.condition"], rtol=1e-6)

    def loss(params, rest):
        noisy = model.encode(batch.samples, batch.num_samples)
        variables = {**rest, "params": params}
        rows, _ = generative_losses(model, variables, batch, draws, noisy, jax.random.key(0))
        return rows.losses.mean()

    params = archive.variables["params"]
    rest = {name: tree for name, tree in archive.variables.items() if name != "params"}
    value, gradients = jax.device_get(jax.jit(jax.value_and_grad(loss))(params, rest))
    np.testing.assert_allclose(value, nemo["loss"], rtol=1e-5)
    rows = family_of_model(archive.model).rows(archive.model)
    ours = dict(to_tensors(archive.variables | {"params": gradients}, rows))
    whole = np.linalg.norm(nemo["grad_norms"])
    for name, norm in zip(nemo["grad_names"].tolist(), nemo["grad_norms"], strict=True):
        np.testing.assert_allclose(np.linalg.norm(ours[name]), norm, rtol=GRADIENTS, atol=1e-5 * whole, err_msg=name)
        if f"grad.{name}" in nemo:
            theirs = nemo[f"grad.{name}"]
            np.testing.assert_allclose(ours[name], theirs, atol=GRADIENTS * np.abs(theirs).max() + 1e-5 * whole)


@partial(jax.jit, static_argnums=0)
def generated(model, variables, samples, num_samples, draws):
    noisy = model.encode(samples, num_samples)
    real = length_mask(noisy.num_frames, noisy.spectra.shape[2])[:, None, :, None]
    found = generate(
        model, variables, noisy.spectra, noisy.num_frames, lambda number: jnp.where(real, draws[number], 0)
    )
    return istft(found, num_samples, model.stft, size=samples.shape[-1]) * noisy.scale


def test_samples_of_given_noise(loaded):
    archive, nemo = loaded
    process = archive.model["process"]
    for key in sorted({name.split(".")[0] for name in nemo if name.endswith(".output_len")}):
        more = {"sampler": OTHERS[key]} if key in OTHERS else {}
        more |= {"process": process | {"estimates": "data"}} if key.endswith("_data") else {}
        model = build(as_nemo(archive.model, **more)).model
        count = sum(name.startswith(f"{key}.draw") for name in nemo)
        draws = [spectra(nemo[f"{key}.draw{i}"]) for i in range(count)] or [jnp.zeros(())]
        if process["name"] == "bridge_ve":  # which starts without noise
            draws.insert(0, jnp.zeros_like(draws[0]))
        lengths = nemo["audio_len"].astype(np.int32)
        ours = generated(model, archive.variables, *map(jnp.asarray, (nemo["audio"], lengths)), jnp.stack(draws))
        for i, n in enumerate(lengths):
            # NeMo has no samples after the last multiple of the hop, and the padding's frames weaken what is before.
            whole = n - n % model.stft.hop - (model.stft.fft_length // 2 if n < lengths.max() else 0)
            theirs = nemo[f"{key}.output"][i, :, :whole]
            bound = 5e-4 if key == "ode3" else 1e-4  # NeMo's first step of this kind loses digits
            np.testing.assert_allclose(ours[i, :, :whole], theirs, atol=bound * np.abs(theirs).max(), err_msg=key)


@pytest.mark.parametrize("name", MODELS)
def test_what_nemo_stores_twice(name, request, tmp_path):
    """The network's copies are checked, and restored, without their bytes."""
    archive = load_nemo(reference(name, request)[0])
    assert save_nemo(tmp_path / "again.nemo", **archive._asdict()) == [
        f"NeMo returns zeros for the samples after the last multiple of {archive.model['stft']['hop']}"
    ]
    assert (tmp_path / "again.nemo").stat().st_size < 1.2 * sum(
        x.nbytes for x in jax.tree.leaves(archive.variables)
    ) + 2e5
    again = load_nemo(tmp_path / "again.nemo")
    assert again.model == archive.model
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(loaded, tmp_path):
    """Strictly; with the noise of the generator of torch, only finite outputs of the right size are compared."""
    archive, nemo = loaded
    save_nemo(tmp_path / "model.nemo", **archive._asdict())
    np.savez(tmp_path / "model.inputs.npz", samples=nemo["audio"], num_samples=nemo["audio_len"])
    subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], check=True, capture_output=True, timeout=600)
    with np.load(tmp_path / "model.outputs.npz") as outputs:
        assert outputs["row0"].shape == nemo["output" if "output" in nemo else "audio"][0].shape
        assert np.isfinite(outputs["row0"]).all() and outputs["row0"].any()
