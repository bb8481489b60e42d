"""Compares enhancement by estimated spectra, loaded from NeMo's files, with NeMo: outputs, losses, gradients."""

import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders import ncsnpp, spectrum_conformer
from jaxspeech.features.stft import istft
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights.write import to_tensors
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

MODELS = ("enh_pred_ncsnpp", "enh_pred_conformer_stream", "enh_pred_conformer_unet")
QUICK = (*MODELS[:2], pytest.param(MODELS[2], marks=pytest.mark.slow))
OUTPUTS, LOSS, GRADIENTS = 1e-4, 1e-5, 1e-3
SCRIPT = Path(__file__).with_name("enhancement_with_nemo.py")


def as_nemo(archive: Any, *, in_a_batch: bool = False) -> Any:
    """The task with NeMo's number of frames, and with norms that count the padding of a batch."""
    model = archive.model | {"stft": archive.model["stft"] | {"exact_tail": False}}
    if in_a_batch:
        model["estimator"] = model["estimator"] | {"norm_over_padding": True}
    return build(model)


@pytest.fixture(scope="module", params=QUICK)
def compared(request):
    """The archive, NeMo's arrays, and ours: outputs, loss, gradients.

    In a batch, NeMo does not zero what it estimates after a recording's end, and the inverse transform spreads it over
    the last samples, but for those after the last multiple of the hop, which it zeroes: the losses compared are those
    of such outputs.
    """
    file, nemo, _ = reference(request.param, request)
    archive = load_nemo(file)
    model = as_nemo(archive, in_a_batch=True).model
    audio, lengths = jnp.asarray(nemo["audio"]), nemo["audio_len"].astype(np.int32)
    hop = model.stft.hop
    returned = np.arange(audio.shape[-1]) < (lengths // hop * hop)[:, None, None]
    scale = jnp.abs(audio).max((1, 2), keepdims=True) + 1e-8 if model.normalize_input else 1.0
    everything = jnp.full(lengths.shape, audio.shape[-1])

    @jax.jit
    def run(params, rest):
        def loss(params):
            spectra, num_frames = nemo["encoded.0"].swapaxes(2, 3), nemo["encoded.1"].astype(np.int32)
            estimates = model.apply({**rest, "params": params}, spectra, num_frames, method="estimate")
            outputs = jnp.where(returned, istft(estimates, everything, model.stft, size=audio.shape[-1]), 0.0) * scale
            return model.loss(outputs, nemo["target"], lengths).mean(), outputs

        return jax.value_and_grad(loss, has_aux=True)(params)

    rest = {name: value for name, value in archive.variables.items() if name != "params"}
    with pytest.MonkeyPatch.context() as patch:
        for module in (ncsnpp, spectrum_conformer):
            patch.setattr(module, "to_spectra", lambda real, imaginary, _: join(real, imaginary))
        (loss, outputs), gradients = jax.device_get(run(archive.variables["params"], rest))
    return archive, nemo, outputs, loss, gradients


def join(real, imaginary):
    return jax.lax.complex(*(part.transpose(0, 3, 1, 2) for part in (real, imaginary)))


def test_outputs(compared):
    archive, nemo, outputs, *_ = compared
    for ours, theirs, n in zip(outputs, nemo["output"], nemo["audio_len"], strict=True):
        end = n - n % archive.model["stft"]["hop"]
        np.testing.assert_allclose(ours[:, :end], theirs[:, :end], atol=OUTPUTS * np.abs(theirs).max())


def test_losses(compared):
    _, nemo, _, loss, _ = compared
    np.testing.assert_allclose(loss, nemo["loss"], rtol=LOSS)


def test_gradients(compared):
    archive, nemo, *_, gradients = compared
    rows = family_of_model(archive.model).rows(archive.model)
    ours = dict(to_tensors({**archive.variables, "params": gradients}, rows))
    whole = float(np.linalg.norm(nemo["grad_norms"]))
    for name, norm in zip(nemo["grad_names"].tolist(), nemo["grad_norms"], strict=True):
        np.testing.assert_allclose(np.linalg.norm(ours[name]), norm, rtol=GRADIENTS, atol=1e-5 * whole, err_msg=name)
        if f"grad.{name}" in nemo:
            theirs = nemo[f"grad.{name}"]
            np.testing.assert_allclose(ours[name], theirs, atol=GRADIENTS * np.abs(theirs).max() + 1e-5 * whole)


def test_a_stream(request):
    """Each chunk from the state of the one before, as NeMo's with its caches, and as the whole recording."""
    file, nemo, _ = reference("enh_pred_conformer_stream", request)
    archive = load_nemo(file)
    module = build(archive.model).model.estimator
    variables = {name: tree["estimator"] for name, tree in archive.variables.items()}
    step = jax.jit(lambda state, *part: module.apply(variables | state, *part, mutable=["history", "positions"]))
    spectra, theirs = (nemo[f"stream.{name}"].swapaxes(2, 3) for name in ("spec", "streamed"))
    size, state, parts = module.attention_context[1] + 1, {}, []
    for first in range(0, theirs.shape[2], size):
        part, state = step(state, spectra[:, :, first : first + size], np.array([size]))
        parts.append(np.asarray(part))
    found, tolerance = np.concatenate(parts, 2), OUTPUTS * np.abs(theirs).max()
    np.testing.assert_allclose(found, theirs, atol=tolerance)
    offline = nemo["stream.offline"].swapaxes(2, 3)[:, :, : found.shape[2]]
    np.testing.assert_allclose(found, offline, atol=tolerance)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(tmp_path, request):
    """Strictly, with equal outputs, one recording at a time."""
    rng, archives = np.random.default_rng(0), {}
    for name in MODELS:
        archive = archives[name] = load_nemo(reference(name, request)[0])
        save_nemo(tmp_path / f"{name}.nemo", **archive._asdict())
        samples = rng.standard_normal((2, 1, 2600)).astype(np.float32)
        np.savez(tmp_path / f"{name}.inputs.npz", samples=samples, num_samples=np.array([2600, 1800]))
    subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], check=True, capture_output=True, timeout=600)
    for name, archive in archives.items():
        task = as_nemo(archive)
        with np.load(tmp_path / f"{name}.inputs.npz") as inputs, np.load(tmp_path / f"{name}.outputs.npz") as outputs:
            ours = jax.jit(task.inference.enhance)(archive.variables, inputs["samples"], inputs["num_samples"])
            for i, n in enumerate(inputs["num_samples"] // task.model.stft.hop * task.model.stft.hop):
                theirs = outputs[f"row{i}"][:, :n]
                np.testing.assert_allclose(ours[i, :, :n], theirs, atol=OUTPUTS * np.abs(theirs).max(), err_msg=name)
