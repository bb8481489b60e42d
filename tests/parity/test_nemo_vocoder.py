"""Compares HiFi-GAN, loaded from NeMo's file, with NeMo: mels, samples, scores, losses, gradients."""

import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.inference.kept_programs import KeptPrograms
from jaxspeech.inference.vocoding import Vocoder
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.tasks.vocoder_model import mel_frames, whole_frames
from jaxspeech.tasks.vocoder_training import discriminator_losses, generator_losses
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

NAME = "tts_hifigan"
OUTPUTS, LOSS, GRADIENTS = 1e-4, 1e-5, 1e-3
SCRIPT = Path(__file__).with_name("vocoder_with_nemo.py")
# The last frames of a row, in which NeMo computes no mel.
LEFT_OUT = 1
# Of the denoiser, unless a configuration says otherwise.
STRENGTH = 0.0025
DISCRIMINATORS = {"mpd": "periods", "msd": "scales"}


@pytest.fixture(scope="module")
def computed(request) -> Any:
    """The archive, NeMo's arrays, and what one program of ours computes from its audio and mel."""
    file, nemo, _ = reference(NAME, request)
    archive = load_nemo(file)
    audio, lengths = nemo["audio"], nemo["audio_len"].astype(np.int32)
    # NeMo fills the last frame with a constant, which its mean counts.
    frames = nemo["mel"].shape[2]
    weight = archive.model["loss"]["mel_weight"] * (frames - LEFT_OUT) / frames
    model: Any = build(archive.model | {"loss": {"mel_weight": weight}}).model

    @jax.jit
    def run(variables):
        ours = whole_frames(model, audio, lengths)
        real = ours._replace(mel=jnp.asarray(nemo["mel"].swapaxes(1, 2)))
        rest = {name: value for name, value in variables.items() if name != "params"}

        def discriminator(params):
            rows, _ = discriminator_losses(model, {**rest, "params": params}, real, train=False)
            return rows.losses.mean(), rows

        def generator(params):
            rows = generator_losses(model, {**rest, "params": params}, real, left_out=LEFT_OUT)
            return rows.losses.mean(), rows

        made = model.apply(variables, real.mel, real.num_frames, method="vocode")
        compared = model.compared()[0]
        mels = [mel_frames(compared.bind({}), x, real.num_samples)[0] for x in (real.samples, made)]
        seen = [model.apply(variables, x, real.num_samples, method="judge") for x in (real.samples, made)]
        found = [jax.value_and_grad(loss, has_aux=True)(variables["params"]) for loss in (discriminator, generator)]
        odd = model.apply(variables, nemo["odd.mel"].swapaxes(1, 2), jnp.array([13, 13]), method="vocode")
        return ours.mel, made, mels, seen, found, odd

    return archive, nemo, jax.device_get(run(archive.variables))


def close(ours, theirs, tolerance=OUTPUTS):
    np.testing.assert_allclose(ours, theirs, atol=tolerance * float(np.abs(theirs).max()))


def test_mels_and_samples(computed):
    _, nemo, (mel, made, mels, _, _, odd) = computed
    computed_there = slice(0, -LEFT_OUT)
    np.testing.assert_allclose(mel.swapaxes(1, 2)[..., computed_there], nemo["mel"][..., computed_there], atol=OUTPUTS)
    close(made, nemo["infer.audio"])
    close(made, nemo["gen.audio"][:, 0])
    for ours, name in zip(mels, ("target_mel", "pred_mel"), strict=True):
        ours, theirs = (x[..., computed_there] for x in (ours.swapaxes(1, 2), nemo[name]))
        np.testing.assert_allclose(ours, theirs, atol=OUTPUTS, err_msg=name)
    close(odd, nemo["odd.audio"][:, 0])


def test_scores_and_features(computed):
    _, nemo, (_, _, _, seen, _, _) = computed
    for theirs, ours in DISCRIMINATORS.items():
        for i, both in enumerate(zip(seen[0][ours], seen[1][ours], strict=True)):
            for of, name in zip(both, ("real", "fake"), strict=True):
                expected = nemo[f"{theirs}{i}.score_{name}"]
                score = of.layers[-1][of.masks[-1]].reshape(len(expected), -1)
                if ours == "periods":  # NeMo's have the columns last
                    period = (2, 3, 5, 7, 11)[i]
                    score = score.reshape(len(expected), period, -1).swapaxes(1, 2).reshape(len(expected), -1)
                close(score, expected)
            if f"{theirs}{i}.fmap_abs_mean_real" in nemo:
                means = [
                    np.abs(x).sum() / (m.sum() * x.shape[-1])
                    for x, m in zip(both[0].layers, both[0].masks, strict=True)
                ]
                np.testing.assert_allclose(means, nemo[f"{theirs}{i}.fmap_abs_mean_real"], rtol=OUTPUTS)


def test_losses_and_gradients(computed):
    archive, nemo, (*_, found, _) = computed
    ((disc, of_disc), disc_grads), ((gen, of_gen), gen_grads) = found
    ours = {
        **{"disc_mpd": of_disc.logged["periods"], "disc_msd": of_disc.logged["scales"], "disc": disc},
        "mel_l1": of_gen.logged["mel"],
        "gen": gen,
        "adversarial": of_gen.logged["adversarial"],
        "features": of_gen.logged["features"],
    }
    theirs = {name.removeprefix("loss."): value for name, value in nemo.items() if name.startswith("loss.")}
    frames = nemo["mel"].shape[2]
    theirs["mel_l1"] = theirs["mel_l1"] * frames / (frames - LEFT_OUT)
    theirs["adversarial"] = theirs["gen_mpd"] + theirs["gen_msd"]
    theirs["features"] = theirs["fm_mpd"] + theirs["fm_msd"]
    for name, value in ours.items():
        np.testing.assert_allclose(np.mean(value), theirs[name], rtol=LOSS, err_msg=name)
    rows = family_of_model(archive.model).rows(archive.model)
    for kind, grads, prefix in (("disc", disc_grads, ""), ("gen", gen_grads, "generator.")):
        tensors = dict(to_tensors(archive.variables | {"params": grads}, rows))
        whole = float(np.linalg.norm(nemo[f"grad_{kind}_norms"]))
        for name, norm in zip(nemo[f"grad_{kind}_names"].tolist(), nemo[f"grad_{kind}_norms"], strict=True):
            got = tensors[prefix + name]
            np.testing.assert_allclose(np.linalg.norm(got), norm, rtol=GRADIENTS, atol=1e-5 * whole, err_msg=name)
            if f"grad_{kind}.{name}" in nemo:
                expected = nemo[f"grad_{kind}.{name}"]
                scale = GRADIENTS * float(np.abs(expected).max()) + 1e-5 * whole
                np.testing.assert_allclose(got, expected, atol=scale, err_msg=name)


def test_folded_norms_change_nothing_and_are_written(computed, tmp_path):
    archive, nemo, (_, made, *_) = computed
    config, variables = for_inference(archive.model, archive.variables)
    task = build(config)
    mel = nemo["mel"].swapaxes(1, 2)
    again = task.inference.vocode(variables, mel, np.array([mel.shape[1]] * len(mel)))
    close(again, made, 1e-5)
    # Without discriminators, as in a voice: new ones take their place.
    own = {"params": {"generator": jax.device_get(variables["params"]["generator"])}}
    assert save_nemo(tmp_path / "folded.nemo", model=config, assets={}, variables=own)
    loaded = load_nemo(tmp_path / "folded.nemo")
    assert jax.tree.structure(loaded.variables) == jax.tree.structure(archive.variables)
    kernels = for_inference(loaded.model, loaded.variables)[1]["params"]["generator"]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), kernels, own["params"]["generator"])


def test_a_file_returns_as_it_was(computed, tmp_path):
    archive, *_ = computed
    save_nemo(tmp_path / "again.nemo", **archive._asdict())
    again = load_nemo(tmp_path / "again.nemo")
    assert again.model == archive.model
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(computed, tmp_path):
    """Strictly, with equal samples."""
    archive, nemo, (_, made, *_) = computed
    save_nemo(tmp_path / "written.nemo", **archive._replace(metadata={})._asdict())
    mel = nemo["mel"].swapaxes(1, 2)
    np.savez(tmp_path / "inputs.npz", mel=mel, audio=nemo["audio"])
    subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], check=True, capture_output=True, timeout=600)
    with np.load(tmp_path / "outputs.npz") as outputs:
        close(outputs["samples"], made)
        np.testing.assert_allclose(outputs["mel"], mel, atol=OUTPUTS)


def test_the_denoiser(computed):
    archive, nemo, (_, made, *_) = computed
    if "infer.denoised" not in nemo:
        pytest.skip("no infer.denoised in the reference")
    task = build(archive.model)
    vocoder = Vocoder(task.inference, KeptPrograms(task, config={}))
    mel = nemo["mel"].swapaxes(1, 2)
    found = vocoder.rows(archive.variables, mel, np.full(len(mel), mel.shape[1]), denoise=STRENGTH)
    expected = nemo["infer.denoised"][:, 0]
    close(np.stack(found), expected, 1e-5)
    assert np.abs(made - expected).max() > 5e-5  # it does something
