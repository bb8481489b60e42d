"""Compares FastPitch, loaded from NeMo's files, with NeMo: one text at a time, and in training.

NeMo does not mask padding between convolutions, so a text in its batches is not the text alone. Its training references
are of batches: they are compared with our masks between convolutions removed, and padding embedded as NeMo does.
"""

import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.encoders.fastpitch import FastPitch
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.weights.write import to_tensors
from jaxspeech.nn import frame_convolution
from jaxspeech.nn.aligner import Aligner, Alignment, log_alignment
from jaxspeech.nn.expand import rounded_durations
from jaxspeech.search.monotonic import monotonic_path
from jaxspeech.tasks.speech_losses import speech_losses
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

MODELS = ["tts_fastpitch", "tts_fastpitch_multi", "tts_fastpitch_gst"]
# Several speakers and energy, and style tokens; all that one voice has, these have too.
SPEAKING = [pytest.param(MODELS[0], marks=pytest.mark.slow), *MODELS[1:]]
TRAINED = [*(pytest.param(name, marks=pytest.mark.slow) for name in (MODELS[0], MODELS[2])), MODELS[1]]
OUTPUTS, LOSS, GRADIENTS = 1e-4, 1e-5, 1e-3
SCRIPT = Path(__file__).with_name("fastpitch_with_nemo.py")
LOSSES = {"mel": "mel", "duration": "dur", "pitch": "pitch", "energy": "energy", "forward_sum": "ctc"}


def plain(archive):
    """The model without dropout."""
    parts = {}
    for name, part in archive.model.items():
        if isinstance(part, dict):
            parts[name] = part | {field: 0.0 for field in part if field.startswith("dropout")}
    return archive.model | parts


@pytest.fixture(scope="module", params=MODELS)
def model(request):
    file, nemo, notes = reference(request.param, request)
    return load_nemo(file), nemo, notes | {"file": file}


def texts_of(nemo, *, padding=10**6):
    text, lengths = nemo["text"], nemo["text_len"].astype(np.int32)
    speaker = nemo.get("speaker", np.zeros(len(text))).astype(np.int32)
    beyond = np.arange(text.shape[1]) >= lengths[:, None]
    return np.where(beyond, padding, text).astype(np.int32), lengths, speaker


@pytest.mark.parametrize("model", SPEAKING, indirect=True)
def test_texts_in_a_batch_are_what_nemo_says_for_each_alone(model):
    archive, nemo, notes = model
    task = build(archive.model)
    text, lengths, speaker = texts_of(nemo)
    inputs = text, lengths, speaker, np.ones(3, np.float32), np.zeros(3, np.float32)
    # A model with style tokens was given the recordings to speak like.
    style = (nemo["audio"], nemo["audio_len"].astype(np.int32)) if archive.model.get("style") else None
    timing = jax.jit(task.inference.durations)(archive.variables, *inputs, style)
    size = max(nemo[f"single{b}.spect"].shape[2] for b in range(3)) + 3
    mel = np.asarray(jax.jit(task.inference.frames, static_argnums=2)(archive.variables, timing, size))
    for b, n in enumerate(lengths):
        alone = {name: nemo[f"single{b}.{name}"][0] for name in ("spect", "durs", "pitch")}
        durations = np.floor(alone["durs"] + 0.5)
        np.testing.assert_array_equal(timing.durations[b, :n], durations)
        assert not np.asarray(timing.durations)[b, n:].any()
        np.testing.assert_allclose(timing.hidden["pitch"][b, :n], alone["pitch"], atol=OUTPUTS)
        frames = int(durations.sum())
        np.testing.assert_allclose(mel[b, :frames].T, alone["spect"], atol=OUTPUTS)
        assert archive.assets["front_end"].spell(notes["texts"][b], normalized=True).ids == text[b, :n].tolist()


def leaking(monkeypatch):
    """Does with padding what NeMo does."""
    monkeypatch.setattr(frame_convolution, "zero_padding", lambda x, lengths: x)
    monkeypatch.setattr(FastPitch, "_embedded", lambda self, text, num_symbols: self.symbols(text))
    align = Aligner.__call__

    def over_padding(self: Any, mel: Any, num_frames: Any, text: Any, num_symbols: Any, prior: Any = None) -> Alignment:
        found = align(self, mel, num_frames, text, num_symbols * 0 + text.shape[1], prior)
        return Alignment(found.scores, log_alignment(found.scores, num_symbols))

    monkeypatch.setattr(Aligner, "__call__", over_padding)


@pytest.mark.parametrize("model", TRAINED, indirect=True)
def test_training_with_its_losses_and_gradients_is_nemos(model, monkeypatch):
    archive, nemo, notes = model
    apply: Any = build(plain(archive)).model.apply
    leaking(monkeypatch)
    frames = nemo["mel_len"].astype(np.int32)
    size = int(frames.max())
    text, lengths, speaker = texts_of(nemo, padding=notes["pad"])
    mel, prior = nemo["mel"].transpose(0, 2, 1)[:, :size], nemo["attn_prior"][:, :size]
    energy = nemo.get("energy_frames")
    given = text, lengths, mel, frames, nemo["pitch_frames"], energy, speaker, prior
    given_mel = jnp.asarray(mel), jnp.asarray(frames)
    changed: Any = {"search": monotonic_path, "train": True, "method": "teach"}
    options = nemo["infer2.spect"].shape[2], nemo["infer_durs.spect"].shape[2], notes["infer2"], notes["infer_durs"]

    def loss(params):
        taught = apply({"params": params}, *given, **changed)
        terms = speech_losses(taught, mel, frames, lengths, batch=np.ones(3, bool))
        means = {name: term.mean() for name, term in terms.items()}
        scales = {"duration": 0.1, "pitch": 0.1, "energy": 0.1, "binarization": nemo["bin_weight"]}
        return sum(scales.get(name, 1.0) * mean for name, mean in means.items()), (taught, means)

    def spoken(params):
        """With another pitch and pace, and with given durations."""
        size, given_size, other, given = options

        def run(model: FastPitch) -> Any:
            voice = model.voice(speaker, *given_mel)
            spelt = model.spell(text, lengths, voice, pitch_shift=other["pitch_shift"])
            durations = model.frames_of(spelt.log_durations, lengths, other["pace"])
            usual = model.spell(text, lengths, voice)
            stated = rounded_durations(np.full(text.shape, given["durs"]), lengths, pace=given["pace"])
            return (
                model.decode(spelt.hidden, durations, voice, size),
                durations.sum(1),
                model.decode(usual.hidden, stated, voice, given_size),
                stated.sum(1),
            )

        return apply({"params": params}, method=run)

    @jax.jit
    def run(params):
        return jax.value_and_grad(loss, has_aux=True)(params), spoken(params)

    ((total, (taught, means)), grads), others = jax.device_get(run(archive.variables["params"]))
    rows = range(3)
    features, _ = build(archive.model).model.apply(
        {}, nemo["audio"], nemo["audio_len"].astype(np.int32), method="features"
    )
    for b in rows:
        n, t = lengths[b], frames[b]
        np.testing.assert_allclose(features[b, :t], mel[b, :t], atol=OUTPUTS)
        np.testing.assert_array_equal(taught.durations[b], nemo["train.attn_hard_dur"][b])
        np.testing.assert_array_equal(taught.path[b, :t], nemo["train.attn_hard"][b, 0, :t].argmax(-1))
        for ours, name, cut in (
            (taught.alignment.scores, "attn_logprob", (slice(t), slice(n))),
            (np.exp(taught.alignment.log_probs), "attn_soft", (slice(t), slice(n))),
        ):
            np.testing.assert_allclose(ours[b][cut], nemo[f"train.{name}"][b, 0][cut], atol=OUTPUTS, err_msg=name)
        np.testing.assert_allclose(taught.mel[b, :t], nemo["train.spect"][b].T[:t], atol=OUTPUTS)
        for ours, name in (
            (taught.predicted.log_durations, "log_durs_predicted"),
            (taught.predicted.pitch, "pitch_predicted"),
            (taught.pitch, "pitch_tokens"),
            *(
                [(taught.predicted.energy, "energy_predicted"), (taught.energy, "energy_tokens")]
                if energy is not None
                else []
            ),
        ):
            np.testing.assert_allclose(ours[b, :n], nemo[f"train.{name}"][b, :n], atol=OUTPUTS, err_msg=name)
        assert others[1][b] == nemo["infer2.num_frames"][b] or n < lengths.max()
        if n == lengths.max():
            np.testing.assert_allclose(
                others[0][b, : others[1][b]].T, nemo["infer2.spect"][b][:, : others[1][b]], atol=OUTPUTS
            )
        assert others[3][b] == nemo["infer_durs.num_frames"][b]
        np.testing.assert_allclose(
            others[2][b, : others[3][b]].T, nemo["infer_durs.spect"][b][:, : others[3][b]], atol=OUTPUTS
        )
    for ours, name in LOSSES.items():
        scale = 0.1 if name in ("dur", "pitch", "energy") else 1.0
        np.testing.assert_allclose(scale * means.get(ours, 0.0), nemo[f"loss.{name}"], rtol=LOSS, err_msg=name)
    np.testing.assert_allclose(means["binarization"], nemo["loss.bin_unweighted"], rtol=LOSS)
    np.testing.assert_allclose(total, nemo["loss.total"], rtol=LOSS)
    check_gradients(archive, nemo, grads, pad=notes["pad"])


def check_gradients(archive, nemo, gradients, *, pad):
    rows = family_of_model(archive.model, archive.assets).rows(archive.model)
    ours = dict(to_tensors({"params": gradients}, rows))
    words = "fastpitch.encoder.word_emb.weight"
    ours[words] = np.where(np.arange(len(ours[words]))[:, None] == pad, 0.0, ours[words])  # NeMo's padding has none
    whole = float(np.linalg.norm(nemo["grad_norms"]))
    for name, norm in zip(nemo["grad_names"].tolist(), nemo["grad_norms"], strict=True):
        np.testing.assert_allclose(np.linalg.norm(ours[name]), norm, rtol=GRADIENTS, atol=1e-5 * whole, err_msg=name)
        if f"grad.{name}" in nemo:
            theirs = nemo[f"grad.{name}"]
            atol = GRADIENTS * float(np.abs(theirs).max()) + 1e-6 * whole
            np.testing.assert_allclose(ours[name], theirs, atol=atol, err_msg=name)


def test_a_file_comes_back_with_equal_tensors_and_symbols(model, tmp_path):
    archive, _, notes = model
    file = notes["file"]
    save_nemo(tmp_path / "x.nemo", **archive._asdict())
    again = load_nemo(tmp_path / "x.nemo")
    assert again.model == archive.model
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)
    for name in ("config", "files"):
        assert getattr(again.assets["front_end"], name)() == getattr(archive.assets["front_end"], name)()
    with NemoFile(file) as theirs, NemoFile(tmp_path / "x.nemo") as ours:
        before, after = (read_checkpoint(each.open(WEIGHTS)) for each in (theirs, ours))
        assert before.keys() == after.keys()
        for name, tensor in before.items():
            np.testing.assert_array_equal(after[name], tensor, err_msg=name)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write_and_says_the_same(tmp_path, request):
    """Strictly, one text at a time."""
    archives = {}
    for name in MODELS:
        file, nemo, notes = reference(name, request)
        archives[name] = load_nemo(file)
        save_nemo(tmp_path / f"{name}.nemo", **archives[name]._asdict())
        speaker = nemo.get("speaker", np.zeros(3, np.int64))
        np.savez(tmp_path / f"{name}.inputs.npz", texts=notes["texts"], speaker=speaker, mel=nemo["mel"])
    subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], check=True, capture_output=True, timeout=600)
    for name in archives:
        _, nemo, _ = reference(name, request)
        with np.load(tmp_path / f"{name}.outputs.npz") as outputs:
            for b in range(3):
                np.testing.assert_allclose(outputs[f"row{b}"], nemo[f"single{b}.spect"][0], atol=1e-5)
