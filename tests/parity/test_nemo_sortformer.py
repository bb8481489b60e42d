"""Compares Sortformer models loaded from NeMo's files with NeMo: whole recordings, and the first step of streams."""

import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from tests.interop.random_model import random_variables
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import reference
from tests.tasks.test_sortformer import MODEL

# From audio, features differ by the rounding of the Fourier transform.
FROM_FEATURES, FROM_AUDIO = 1e-4, 1e-4
WHOLE, STREAMED = ["sortformer"], ["sortformer_stream", "sortformer_async"]


def call(archive, method, *inputs, **changes):
    """Applies a method of the model, whose configuration may be changed."""
    model = build(archive.model | changes).model
    return jax.jit(lambda *args: model.apply(*args, method=method))(archive.variables, *inputs)


@pytest.fixture(scope="module", params=WHOLE)
def whole(request):
    file, nemo, _ = reference(request.param, request)
    return load_nemo(file), nemo


def test_whole_recordings_from_features(whole):
    archive, nemo = whole

    def run(model, features, num_features):
        frames, num_frames = model.subsample(features, num_features)
        encoded, _ = model.encoder(frames, num_frames, only="layers")
        return frames, num_frames, encoded, model.activity_of_frames(frames, num_frames)[0]

    num_features = nemo["feats.1"].astype(np.int32)
    features = nemo["feats.0"].transpose(0, 2, 1)[:, : num_features.max()]
    beyond = np.arange(features.shape[1])[:, None] >= num_features[:, None, None]
    frames, num_frames, encoded, probs = call(archive, run, np.where(beyond, np.nan, features), num_features)
    np.testing.assert_array_equal(num_frames, nemo["enc.pre_encode.1"])
    np.testing.assert_allclose(frames, nemo["enc.pre_encode.0"], atol=1e-5)
    last = nemo["enc.layer1"]
    for i, n in enumerate(num_frames):
        np.testing.assert_allclose(encoded[i, :n], last[i, :n], atol=FROM_FEATURES)
    np.testing.assert_allclose(probs, nemo["preds"], atol=FROM_FEATURES)


def test_whole_recordings_from_audio(whole):
    """NeMo scales a batch by its loudest sample; that of `diarize_tensor` has one recording."""
    archive, nemo = whole
    lengths = nemo["audio_len"].astype(np.int32)
    audio = np.where(np.arange(nemo["audio"].shape[1]) < lengths[:, None], nemo["audio"], np.nan).astype(np.float32)
    factor = np.float32(1 / (np.nanmax(audio) + 1e-3))
    probs, num_frames = call(archive, "activity", factor * audio, lengths, scale_audio=False)
    np.testing.assert_array_equal(num_frames, nemo["enc.pre_encode.1"])
    np.testing.assert_allclose(probs, nemo["preds"], atol=FROM_AUDIO)
    probs, num_frames = call(archive, "activity", audio, lengths)
    alone = nemo["diarize_tensor"].reshape(-1, probs.shape[-1])
    np.testing.assert_allclose(probs[0, : num_frames[0]], alone, atol=FROM_AUDIO)


@pytest.mark.parametrize("name", STREAMED)
def test_the_first_step_of_a_stream(name, request):
    """It is that of a short recording, of which NeMo returns the chunk."""
    file, nemo, notes = reference(name, request)
    archive, stem = load_nemo(file), "step0" if "step0.offsets" in nemo else "async.step0"
    assert not archive.model["scale_audio"]
    settings = archive.model["streaming"]
    assert settings["chunk"] == notes["config"]["sortformer_modules"]["chunk_len"]
    left, right = nemo[f"{stem}.offsets"]
    assert left == 0
    audio, lengths = nemo["audio"], nemo["audio_len"].astype(np.int32)
    features, num_features = call(archive, "features", audio, lengths)
    theirs = nemo["feats"].transpose(0, 2, 1)
    for i, n in enumerate(num_features):
        np.testing.assert_allclose(features[i, :n], theirs[i, :n], atol=1e-3)
    size = 8 * settings["chunk"] + right

    def step(model, features, num_features):
        return model.activity_of_frames(*model.subsample(features, num_features))[0]

    for inputs, tolerance in ((theirs, FROM_FEATURES), (np.asarray(features), FROM_AUDIO)):
        probs = call(archive, step, inputs[:, :size], np.minimum(num_features, size))
        expected = nemo.get(f"{stem}.total_preds", nemo.get("sync.preds"))
        np.testing.assert_allclose(probs[:, : settings["chunk"]], expected[:, : settings["chunk"]], atol=tolerance)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(tmp_path, request):
    """Strictly, with equal activities: files of its own, and an own model."""
    rng = np.random.default_rng(0)
    archives = {name: load_nemo(reference(name, request)[0]) for name in (*WHOLE, *STREAMED)}
    archives["own"] = Archive(MODEL, {}, random_variables(MODEL), {})
    inputs = {"samples": rng.standard_normal((2, 32000)).astype(np.float32), "num_samples": np.array([32000, 21000])}
    for name, archive in archives.items():
        save_nemo(tmp_path / f"{name}.nemo", **archive._asdict())
        np.savez(tmp_path / f"{name}.inputs.npz", **inputs)
    script = Path(__file__).with_name("sortformer_with_nemo.py")
    subprocess.run([NEMO_PYTHON, str(script), str(tmp_path)], check=True, capture_output=True, timeout=600)
    for name, archive in archives.items():
        probs, num_frames = call(archive, "activity", *inputs.values())
        with np.load(tmp_path / f"{name}.outputs.npz") as outputs:
            for i, n in enumerate(num_frames):
                np.testing.assert_allclose(probs[i, :n], outputs[f"row{i}"], atol=FROM_AUDIO, err_msg=name)
