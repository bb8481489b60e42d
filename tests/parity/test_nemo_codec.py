"""Compares codecs, loaded from NeMo's files, with NeMo: frames, ids, samples, losses, and files that we write."""

import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.losses.adversarial import discriminator_loss, generator_loss
from jaxspeech.losses.feature_matching import feature_matching_loss
from jaxspeech.losses.log_spectrum import log_spectrum_loss
from jaxspeech.quantizers.codebook import CODEBOOKS
from jaxspeech.quantizers.fsq import quantize
from jaxspeech.tasks.codec_loss import mel_distances, reconstruction
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

MODELS = ["tts_codec", "tts_codec_causal"]
OUTPUTS, LOSS, GRADIENTS = 1e-4, 1e-5, 1e-3
SCRIPT = Path(__file__).with_name("codec_with_nemo.py")


def spoiled(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.where(np.arange(x.shape[1]) < lengths[:, None], x, np.nan).astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_frames_ids_and_samples(name, request):
    """NeMo reflects a batch's end, and not each row's: there, the shorter row is compared with itself alone."""
    file, nemo, _ = reference(name, request)
    archive = load_nemo(file)
    model = build(archive.model).model
    lengths = nemo["audio_len"].astype(np.int32)
    audio, scaled = spoiled(nemo["audio"], lengths), nemo["encoded_scaled"].swapaxes(1, 2)

    @jax.jit
    def encode(variables: Any) -> Any:
        frames, num_frames = model.apply(variables, audio, lengths, method="frames")
        quantized = [model.quantizer.apply({}, jnp.asarray(x), num_frames) for x in (scaled, frames)]
        return frames, num_frames, *quantized, model.quantizer.apply({}, quantized[0].ids, num_frames, method="lookup")

    decode = jax.jit(lambda variables, ids, num_frames: model.apply(variables, ids, num_frames, method="decode"))
    frames, num_frames, quantized, unscaled, values = jax.device_get(encode(archive.variables))
    decoded, num_samples = decode(archive.variables, nemo["tokens"], num_frames)
    roundtrip, _ = decode(archive.variables, unscaled.ids, num_frames)
    np.testing.assert_array_equal(num_frames, nemo["encoded_len"])
    np.testing.assert_array_equal(num_samples, nemo["decoded_len"])
    np.testing.assert_array_equal(quantized.ids, nemo["tokens"])
    np.testing.assert_allclose(values.swapaxes(1, 2), nemo["dequantized"], atol=1e-6)
    causal, whole = model.decoder.padding == "causal", int(np.argmax(lengths))
    for row in range(len(lengths)) if causal else [whole]:
        frame, n = num_frames[row], num_samples[row]
        np.testing.assert_allclose(frames[row].T, nemo["encoded"][row], atol=OUTPUTS)
        np.testing.assert_array_equal(unscaled.ids[row, :, :frame], nemo["tokens_unscaled"][row, :, :frame])
        np.testing.assert_allclose(decoded[row, :n], nemo["decoded"][row, :n], atol=OUTPUTS)
        np.testing.assert_allclose(roundtrip[row, :n], nemo["roundtrip"][row, :n], atol=OUTPUTS)
    alone = nemo["single1.roundtrip"][0]
    np.testing.assert_allclose(roundtrip[1, : len(alone)], alone, atol=OUTPUTS)


def test_quantizing(request):
    file, nemo, _ = reference(MODELS[0], request)
    module = build(load_nemo(file).model).model.quantizer
    x, lengths = jnp.asarray(nemo["encoded_scaled"].swapaxes(1, 2)), jnp.asarray(nemo["encoded_len"], jnp.int32)
    weights = nemo["fsq.weights"].swapaxes(1, 2)

    def weighted(x: Any) -> Any:
        found = module.apply({}, x, lengths)
        return (found.values * weights).sum(), found

    (_, found), gradient = jax.jit(jax.value_and_grad(weighted, has_aux=True))(x)
    np.testing.assert_allclose(found.values.swapaxes(1, 2), nemo["fsq.out"], atol=1e-6)
    np.testing.assert_array_equal(found.ids.swapaxes(0, 1), nemo["fsq.indices"])
    np.testing.assert_allclose(gradient.swapaxes(1, 2), nemo["fsq.grad"], atol=1e-5)
    ids = quantize(x[..., : len(module.levels)], module.levels)[1]
    np.testing.assert_array_equal(ids[0], nemo["tokens"][0, 0])


def by_torch(x: np.ndarray, size: int, hop: int, window: int, guard: float) -> np.ndarray:
    """Log spectra [N F] of a signal, mirrored at the ends of the array."""
    taper = np.zeros(size)
    left = (size - window) // 2
    taper[left : left + window] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / (window - 1))
    around = np.pad(x.astype(np.float64), size // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(around, size)[::hop] * taper
    return np.log(np.sqrt(np.abs(np.fft.rfft(frames)) ** 2 + 1e-5) + guard)


def test_losses_of_signals(request):
    file, nemo, _ = reference(MODELS[0], request)
    model = build(load_nemo(file).model).model
    lengths = nemo["loss.len"].astype(np.int32)
    real, generated = (spoiled(nemo[f"loss.{name}"], lengths) for name in ("real", "gen"))
    every = replace(model.loss, mel=1.0, mel_square=1.0, stft=0.0, samples=1.0, si_sdr=1.0)
    rate = model.sample_rate

    def terms(generated: Any) -> Any:
        found = reconstruction(generated, real, lengths, every, rate)
        return mel_distances(generated, real, lengths, every, rate)[0].mean(), found

    (_, found), gradient = jax.jit(jax.value_and_grad(terms, has_aux=True))(generated)
    names = {"mel": "mel_l1", "mel_square": "mel_l2", "samples": "time", "si_sdr": "si_sdr"}
    for ours, theirs in names.items():
        np.testing.assert_allclose(found[ours].mean(), nemo[f"loss.{theirs}"], rtol=LOSS, err_msg=ours)
    wanted = nemo["loss.mel_l1_grad"]
    for row, n in enumerate(lengths):
        np.testing.assert_allclose(gradient[row, :n], wanted[row, :n], atol=GRADIENTS * np.abs(wanted).max())


def test_the_loss_of_log_spectra(request):
    """NeMo continues a shorter row by the batch's zeros, and mirrors it here."""
    file, nemo, _ = reference(MODELS[0], request)
    loss = build(load_nemo(file).model).model.loss
    lengths = nemo["loss.len"].astype(np.int32)
    options: Any = {"resolutions": loss.resolutions, "guard": loss.stft_guard}
    ours = jax.jit(partial(log_spectrum_loss, **options))(nemo["loss.gen"], nemo["loss.real"], lengths)
    rows = []
    for row, n in enumerate(lengths):
        if n == nemo["loss.real"].shape[1]:
            rows.append(float(ours[row]))
            continue
        each = []
        for size, hop, window in loss.resolutions:
            pair = [by_torch(nemo[f"loss.{x}"][row], size, hop, window, loss.stft_guard) for x in ("real", "gen")]
            each.append(np.abs(pair[0] - pair[1])[: n // hop + 1].mean())
        rows.append(np.mean(each))
    np.testing.assert_allclose(np.mean(rows), nemo["loss.stft"], rtol=LOSS)


def test_losses_of_discriminators(request):
    _, nemo, _ = reference(MODELS[0], request)

    def layer(name: str) -> Any:  # the last axis is that of the means
        x = np.moveaxis(nemo[name], -1, 1)
        return jnp.asarray(x.reshape(len(x), x.shape[1], -1)), jnp.ones(x.shape[:2], bool)

    seen = [
        [[layer(f"fm.{kind}{i}{j}") for j in range(9) if f"fm.{kind}{i}{j}" in nemo] for i in range(2)]
        for kind in ("real", "gen")
    ]
    for kind in ("absolute", "relative"):
        found = feature_matching_loss(*seen, kind=kind).mean()
        np.testing.assert_allclose(found, nemo[f"loss.fm_{kind}"], rtol=LOSS)
    real, generated = ([layer(f"score.{kind}{i}") for i in range(2)] for kind in ("real", "gen"))
    for distance, name in (("squares", "squared"), ("hinge", "hinged")):
        found = discriminator_loss(real, generated, distance=distance).mean() / 4, nemo[f"loss.disc_{name}"]
        np.testing.assert_allclose(*found, rtol=LOSS)
        found = generator_loss(generated, distance=distance).mean() / 2, nemo[f"loss.gen_{name}"]
        np.testing.assert_allclose(*found, rtol=LOSS)


def with_codebooks(archive: Archive, groups: int) -> Archive:
    """The same codec with random codebooks instead of levels."""
    quantizer = {"name": "residual", "num_codebooks": 4, "size": 16, "width": 6, "groups": groups, "iterations": 0}
    model = {**archive.model, "quantizer": quantizer}
    books = build(model).init(jax.random.key(5))[CODEBOOKS]
    return archive._replace(model=model, variables={**archive.variables, CODEBOOKS: jax.device_get(books)}, metadata={})


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(tmp_path, request):
    """Strictly, with the same ids and equal samples."""
    rng, archives = np.random.default_rng(0), {name: load_nemo(reference(name, request)[0]) for name in MODELS}
    archives |= {f"residual{groups}": with_codebooks(archives["tts_codec_causal"], groups) for groups in (1, 2)}
    inputs = {"samples": rng.normal(0, 0.1, (2, 4000)).astype(np.float32), "num_samples": np.array([4000, 3211])}
    for name, archive in archives.items():
        save_nemo(tmp_path / f"{name}.nemo", **archive._asdict())
        np.savez(tmp_path / f"{name}.inputs.npz", **inputs)
    done = subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, archive in archives.items():
        kind = build(archive.model).inference
        ids, num_frames = jax.jit(kind.encode)(archive.variables, inputs["samples"], inputs["num_samples"])
        samples, _ = jax.jit(kind.decode)(archive.variables, ids, num_frames)
        with np.load(tmp_path / f"{name}.outputs.npz") as outputs:
            for row, frames in enumerate(num_frames):
                np.testing.assert_array_equal(ids[row, :, :frames], outputs[f"ids{row}"], err_msg=name)
                theirs = outputs[f"samples{row}"]
                np.testing.assert_allclose(samples[row, : len(theirs)], theirs, atol=OUTPUTS, err_msg=name)
