"""Compares classifiers loaded from NeMo's files with NeMo: from its features, and from audio with each clip alone."""

import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.pipelines.classifier import Classifier
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference

CLIPS = ["marblenet", "matchboxnet"]


@pytest.fixture(scope="module", params=CLIPS)
def clips(request):
    file, nemo, notes = reference(request.param, request)
    return load_nemo(file), nemo, notes["config"]


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def test_logits_from_features(clips):
    """From its batch of features, NeMo pools over all frames of the tensor, the padding too."""
    archive, nemo, _ = clips
    features = nemo["feats.0"].transpose(0, 2, 1)
    everything = np.full(len(features), features.shape[1])
    apply = jax.jit(lambda *inputs: build(archive.model).model.apply(*inputs, method="logits_of_features"))
    logits = apply(archive.variables, features, nemo["feats.1"], everything)
    np.testing.assert_allclose(logits, nemo["out"], atol=1e-4)
    # The longest recording is not padded.
    np.testing.assert_allclose(logits[:1], nemo["out_single.0"], atol=1e-4)


def test_logits_and_labels_from_audio_are_those_of_each_clip_alone(clips):
    archive, nemo, config = clips
    apply = jax.jit(build(archive.model).model.apply)
    audio, lengths = nemo["audio"], nemo["audio_len"]
    bad = np.where(np.arange(audio.shape[1]) < lengths[:, None], audio, np.nan).astype(np.float32)
    alone = np.concatenate([nemo[f"out_single.{i}"] for i in range(len(audio))])
    np.testing.assert_allclose(apply(archive.variables, bad, lengths), alone, atol=1e-3)

    rows = [row[:length] for row, length in zip(audio, lengths, strict=True)]
    found = Classifier(archive).classify(rows, top_k=1)
    assert [result.top[0][0] for result in found] == [config["labels"][i] for i in alone.argmax(1)]
    np.testing.assert_allclose([result.probabilities for result in found], softmax(alone), atol=1e-3)


def test_class_weights_come_from_the_configuration(clips):
    archive, nemo, _ = clips
    assert isinstance(archive, Archive) and "class_weights" not in archive.model
    assert len(archive.assets["classes"]) == nemo["out"].shape[1]


@pytest.fixture(scope="module")
def frames(request):
    file, nemo, notes = reference("frame_vad", request)
    return load_nemo(file), nemo, notes["config"]


def test_frames_from_features_and_from_audio(frames):
    archive, nemo, _ = frames
    model = build(archive.model).model

    def run(variables, features, num_features, samples, num_samples):
        def both(model):
            encoded, num_frames = model.encode_features(features, num_features)
            return model.decoder(encoded, num_classes=model.num_classes), num_frames, model.logits(samples, num_samples)

        return model.apply(variables, method=both)

    features, lengths = nemo["feats.0"].transpose(0, 2, 1), nemo["audio_len"]
    audio = np.where(np.arange(nemo["audio"].shape[1]) < lengths[:, None], nemo["audio"], np.nan).astype(np.float32)
    ours, num_frames, (from_audio, frames_of_audio) = jax.jit(run)(
        archive.variables, features, nemo["feats.1"], audio, lengths
    )
    np.testing.assert_array_equal(num_frames, nemo["enc_out.1"])
    np.testing.assert_array_equal(frames_of_audio, num_frames)
    for i, n in enumerate(num_frames):
        np.testing.assert_allclose(ours[i, :n], nemo["out"][i, :n], atol=1e-4)
        alone = nemo[f"out_single.{i}"][0, :n]  # NeMo's tensor has more frames at its end
        np.testing.assert_allclose(from_audio[i, :n], alone, atol=1e-3)
        np.testing.assert_array_equal(np.argmax(from_audio[i, :n], -1), alone.argmax(-1))


@pytest.mark.parametrize("name", ["w063", "w015"])
def test_windows_over_a_recording(name, request):
    file, nemo, _ = reference("vad_clip", request)
    if f"{name}.speech_prob" not in nemo:
        pytest.skip(f"{file} has no {name}")
    model = Classifier(load_nemo(file))
    seconds = {"w063": 0.63, "w015": 0.15}[name]
    overlap = {"w063": 0.875, "w015": 0.5}[name]
    for smoothing, expected in ((None, "speech_prob"), ("mean", "smooth_mean"), ("median", "smooth_median")):
        windows = {"seconds": seconds, "exact": True, "smoothing": smoothing, "overlap": overlap}
        [found] = model.segments([nemo["audio"]], windows=windows)
        assert len(found.probabilities) == len(nemo[f"{name}.{expected}"])
        np.testing.assert_allclose(found.probabilities, nemo[f"{name}.{expected}"], atol=1e-4)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(tmp_path, request):
    """Strictly, with equal logits; also models with weights of the classes in the loss."""
    expected = {}
    for name in (*CLIPS, "frame_vad"):
        file, nemo, _ = reference(name, request)
        archive = load_nemo(file)
        weights = tuple(1.0 + i for i in range(archive.model["num_classes"]))
        for kind, model in (("plain", archive.model), ("weighted", archive.model | {"class_weights": weights})):
            stem = f"{name}_{kind}"
            save_nemo(tmp_path / f"{stem}.nemo", **archive._replace(model=model)._asdict())
            np.savez(tmp_path / f"{stem}.inputs.npz", samples=nemo["audio"], num_samples=nemo["audio_len"])
            expected[stem] = [nemo[f"out_single.{i}"][0] for i in range(len(nemo["audio"]))]
    script = Path(__file__).with_name("classifiers_with_nemo.py")
    subprocess.run([NEMO_PYTHON, str(script), str(tmp_path)], check=True, capture_output=True, timeout=600)
    for stem, rows in expected.items():
        with np.load(tmp_path / f"{stem}.outputs.npz") as outputs:
            for i, row in enumerate(rows):
                np.testing.assert_allclose(outputs[f"row{i}"], row, atol=1e-4, err_msg=stem)
