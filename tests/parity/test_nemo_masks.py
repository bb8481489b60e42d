"""Compares enhancement with masks, loaded from NeMo's files, with NeMo: masks, outputs, losses, gradients."""

import subprocess
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights.write import to_tensors
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

MODELS = ["enh_mask_rnn", "enh_mask_gru_mvdr", "enh_flex_average", "enh_flex_attend"]
# Of which gradients take long to compile.
SLOW = ["enh_flex_average"]
OUTPUTS, LOSS, GRADIENTS = 1e-4, 1e-5, 1e-3
SCRIPT = Path(__file__).with_name("enhancement_with_nemo.py")


def as_nemo(archive):
    """The model with NeMo's number of frames, by which it returns no samples after the last multiple of the hop."""
    return archive.model | {"stft": archive.model["stft"] | {"exact_tail": False}}


def computed(file, nemo, *, gradients=True):
    """The archive, and our masks, outputs, loss and, with `gradients`, these."""
    archive = load_nemo(file)
    config = as_nemo(archive)
    if config["estimator"]["name"] == "mask_channels":
        config["estimator"] = config["estimator"] | {"remat": "none"}  # half the time to compile
    model = build(config).model
    lengths = nemo["audio_len"].astype(np.int32)
    beyond = np.arange(nemo["audio"].shape[-1]) >= lengths[:, None, None]
    audio, targets = (np.where(beyond, np.nan, nemo[name]).astype(np.float32) for name in ("audio", "target"))

    def loss(params, rest):
        captured: Any = {"capture_intermediates": lambda module, _: module.name == "estimator"}
        outputs, found = model.apply({**rest, "params": params}, audio, lengths, **captured)
        masks = found["intermediates"]["estimator"]["__call__"][0]
        return model.loss(outputs, targets, lengths).mean(), (masks, outputs)

    rest = {name: value for name, value in archive.variables.items() if name != "params"}
    run = jax.jit(jax.value_and_grad(loss, has_aux=True) if gradients else lambda *args: (loss(*args), None))
    (value, (masks, outputs)), found = jax.device_get(run(archive.variables["params"], rest))
    return archive, masks, outputs, value, found


def check_gradients(archive, nemo, gradients):
    rows = family_of_model(archive.model).rows(archive.model)
    ours = dict(to_tensors(archive.variables | {"params": gradients}, rows))
    norms = dict(zip(nemo["grad_names"].tolist(), nemo["grad_norms"], strict=True))
    whole = float(np.linalg.norm(nemo["grad_norms"]))
    for name, norm in norms.items():
        np.testing.assert_allclose(np.linalg.norm(ours[name]), norm, rtol=GRADIENTS, atol=1e-5 * whole, err_msg=name)
        if f"grad.{name}" in nemo:
            theirs = nemo[f"grad.{name}"]
            scale = float(np.abs(theirs).max())
            np.testing.assert_allclose(ours[name], theirs, atol=GRADIENTS * scale + 1e-5 * whole, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
def test_masks_outputs_losses_and_gradients(name, request):
    file, nemo, _ = reference(name, request)
    archive, masks, outputs, loss, gradients = computed(file, nemo, gradients=name not in SLOW)
    for ours, theirs, n in zip(masks, nemo["mask.0"].swapaxes(2, 3), nemo["encoded.1"], strict=True):
        np.testing.assert_allclose(ours[:, :n], theirs[:, :n], atol=OUTPUTS)
    for ours, theirs, n in zip(outputs, nemo["output"], nemo["audio_len"], strict=True):
        whole = n - n % archive.model["stft"]["hop"]
        scale = float(np.abs(theirs).max())
        np.testing.assert_allclose(ours[:, :whole], theirs[:, :whole], atol=OUTPUTS * scale)
    np.testing.assert_allclose(loss, nemo["loss"], rtol=LOSS)
    if gradients is not None:
        check_gradients(archive, nemo, gradients)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_gradients(name, request):
    file, nemo, _ = reference(name, request)
    archive, *_, gradients = computed(file, nemo)
    check_gradients(archive, nemo, gradients)


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
                scale = float(np.abs(theirs).max())
                np.testing.assert_allclose(ours[i, :, :n], theirs, atol=OUTPUTS * scale, err_msg=name)
