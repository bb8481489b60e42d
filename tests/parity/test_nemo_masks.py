"""Compares enhancement with masks, loaded from NeMo's files, with NeMo: masks, outputs, losses, gradients."""

import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights.write import to_tensors
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

MODELS = ["enh_mask_rnn"]
OUTPUTS, LOSS, GRADIENTS = 1e-4, 1e-5, 1e-3
SCRIPT = Path(__file__).with_name("enhancement_with_nemo.py")


def as_nemo(archive):
    """The model with NeMo's number of frames, by which it returns no samples after the last multiple of the hop."""
    return archive.model | {"stft": archive.model["stft"] | {"exact_tail": False}}


@pytest.fixture(scope="module", params=MODELS)
def compared(request):
    """The archive, NeMo's arrays, and ours: spectra, masks, outputs, loss, gradients."""
    file, nemo, _ = reference(request.param, request)
    archive = load_nemo(file)
    model = build(as_nemo(archive)).model
    lengths = nemo["audio_len"].astype(np.int32)
    beyond = np.arange(nemo["audio"].shape[-1]) >= lengths[:, None, None]
    audio, targets = (np.where(beyond, np.nan, nemo[name]).astype(np.float32) for name in ("audio", "target"))

    @jax.jit
    def run(params, rest):
        def loss(params):
            outputs = model.apply({**rest, "params": params}, audio, lengths)
            return model.loss(outputs, targets, lengths).mean(), outputs

        spectra, num_frames = nemo["encoded.0"].swapaxes(2, 3), nemo["encoded.1"].astype(np.int32)
        masks = model.apply({**rest, "params": params}, spectra, num_frames, method="estimate")
        return masks, jax.value_and_grad(loss, has_aux=True)(params)

    rest = {name: value for name, value in archive.variables.items() if name != "params"}
    masks, ((loss, outputs), gradients) = jax.device_get(run(archive.variables["params"], rest))
    return archive, nemo, masks, outputs, loss, gradients


def test_masks(compared):
    _, nemo, masks, *_ = compared
    for ours, theirs, n in zip(masks, nemo["mask.0"].swapaxes(2, 3), nemo["encoded.1"], strict=True):
        np.testing.assert_allclose(ours[:, :n], theirs[:, :n], atol=OUTPUTS)


def test_outputs_and_losses(compared):
    archive, nemo, _, outputs, loss, _ = compared
    for ours, theirs, n in zip(outputs, nemo["output"], nemo["audio_len"], strict=True):
        whole = n - n % archive.model["stft"]["hop"]
        np.testing.assert_allclose(ours[:, :whole], theirs[:, :whole], atol=OUTPUTS * np.abs(theirs).max())
    np.testing.assert_allclose(loss, nemo["loss"], rtol=LOSS)


def test_gradients(compared):
    archive, nemo, *_, gradients = compared
    rows = family_of_model(archive.model).rows(archive.model)
    ours = dict(to_tensors(archive.variables | {"params": gradients}, rows))
    norms = dict(zip(nemo["grad_names"].tolist(), nemo["grad_norms"], strict=True))
    whole = np.linalg.norm(nemo["grad_norms"])
    for name, norm in norms.items():
        np.testing.assert_allclose(np.linalg.norm(ours[name]), norm, rtol=GRADIENTS, atol=1e-5 * whole, err_msg=name)
        if f"grad.{name}" in nemo:
            theirs = nemo[f"grad.{name}"]
            np.testing.assert_allclose(ours[name], theirs, atol=GRADIENTS * np.abs(theirs).max() + 1e-5 * whole)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(tmp_path, request):
    """Strictly, with equal outputs."""
    rng, archives = np.random.default_rng(0), {}
    for name in MODELS:
        archive = archives[name] = load_nemo(reference(name, request)[0])
        model = {**archive.model, "stft": {**archive.model["stft"], "exact_tail": False}}
        save_nemo(tmp_path / f"{name}.nemo", **archive._replace(model=model)._asdict())
        channels = archive.model.get("channels") or 4
        samples = rng.standard_normal((2, channels, 4000)).astype(np.float32)
        np.savez(tmp_path / f"{name}.inputs.npz", samples=samples, num_samples=np.array([4000, 3200]))
    subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], check=True, capture_output=True, timeout=600)
    for name, archive in archives.items():
        task = build(as_nemo(archive))
        with np.load(tmp_path / f"{name}.inputs.npz") as inputs, np.load(tmp_path / f"{name}.outputs.npz") as outputs:
            ours = task.inference.enhance(archive.variables, inputs["samples"], inputs["num_samples"])
            for i, n in enumerate(inputs["num_samples"] // task.model.stft.hop * task.model.stft.hop):
                theirs = outputs[f"row{i}"][:, :n]
                np.testing.assert_allclose(ours[i, :, :n], theirs, atol=OUTPUTS * np.abs(theirs).max(), err_msg=name)
