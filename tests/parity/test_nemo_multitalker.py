"""Compares a model with speaker kernels with NeMo: whole recordings, shifted masks, losses, and every step of a stream.

tests/parity/make_multitalker_references.py makes the reference.
"""

import itertools
import subprocess
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.forms.streaming import streaming
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.pipelines.multitalker import MultitalkerRecognizer
from jaxspeech.speaker_masks import SpeakerMasks
from jaxspeech.tasks.multitalker import TalkerUtterances
from tests.interop.random_model import random_variables
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import inputs_of, reference
from tests.pipelines.talker_model import talker_archive

DROPOUTS = ("dropout", "dropout_pre_encoder", "dropout_emb", "dropout_att", "joint_dropout")
LAYERS, LEAVES = ((0, "up"), (3, "down")), (("kernel", "weight"), ("bias", "bias"))
SPEAKERS = (3, 2)
ROWS = [(r, s) for r, count in enumerate(SPEAKERS) for s in range(count)]


@pytest.fixture(scope="module")
def multitalker(request):
    file, nemo, notes = reference("multitalker_rnnt", request)
    return load_nemo(file, stacked=False), nemo, notes, file


def masks_of(nemo, change):
    """The masks of all rows as one padded batch; `change` says which frames [2 T] of recording r are taken."""
    rows = [change(r, nemo[f"masks_{r}"][:, s]) for r, s in ROWS]
    lengths = np.array([row.shape[1] for row in rows], np.int32)
    padded = np.full((2, len(rows), max(lengths)), np.nan, np.float32)
    for i, row in enumerate(rows):
        padded[:, i, : row.shape[1]] = row
    return SpeakerMasks(*padded, lengths)


def shifted(r, masks):
    return np.concatenate([masks[:, :3], masks], 1) if r else masks[:, 3:]


@pytest.mark.parametrize(("key", "change"), [("offline", lambda r, masks: masks), ("shifted", shifted)])
def test_whole_recordings_in_one_batch(multitalker, key, change):
    archive, nemo, notes, _ = multitalker
    task = build(archive.model)
    features, lengths = (np.stack([x[r] for r, _ in ROWS]) for x in inputs_of(nemo))

    def run(variables, features, lengths, masks):
        encoded, n = task.model.apply(variables, features, lengths, masks, method="encode_features")
        return encoded, n, task.inference.decode(variables, encoded, n)

    encoded, num_frames, tokens = jax.device_get(
        jax.jit(run)(archive.variables, features, lengths, masks_of(nemo, change))
    )
    for i, (r, s) in enumerate(ROWS):
        theirs = nemo[f"{key}_{r}_{s}"]
        assert num_frames[i] == len(theirs)
        np.testing.assert_allclose(encoded[i, : len(theirs)], theirs, atol=1e-4)
        if key == "offline":
            assert tokens.ids[i, : tokens.num_tokens[i]].tolist() == notes[f"offline_{r}_{s}"]
    assert key == "shifted" or len({tuple(notes[f"offline_{r}_{s}"]) for r, s in ROWS}) == len(ROWS)


def test_the_pipeline_finds_the_same_ids(multitalker):
    archive, nemo, notes, _ = multitalker
    asr = MultitalkerRecognizer(archive)
    for r, count in enumerate(SPEAKERS):
        samples = nemo["audio"][r, : nemo["audio_len"][r]]
        found = asr.transcribe_speakers(samples, nemo[f"masks_{r}"][0].T)
        assert [list(x.tokens) for x in found.values()] == [notes[f"offline_{r}_{s}"] for s in range(count)]


def test_losses_and_gradients(multitalker):
    archive, nemo, notes, _ = multitalker
    quiet = {
        part: archive.model[part] | dict.fromkeys([name for name in fields if name in archive.model[part]], 0.0)
        for part, fields in (("encoder", DROPOUTS), ("decoder", DROPOUTS))
    }
    quiet["encoder"]["dropout_speakers"] = 0.0
    task = build(archive.model | quiet)
    labels = np.zeros((len(ROWS), max(map(len, notes["labels"]))), np.int32)
    for row, ids in enumerate(notes["labels"]):
        labels[row, : len(ids)] = ids
    counts = np.array(list(map(len, notes["labels"])), np.int32)
    masks = masks_of(nemo, lambda r, masks: masks)
    samples, num_samples = (np.stack([nemo[name][r] for r, _ in ROWS]) for name in ("audio", "audio_len"))
    activity = np.stack([masks.target, masks.background], -1)
    batch = TalkerUtterances(
        samples, num_samples.astype(np.int32), labels, counts, activity, masks.num_frames, np.arange(len(ROWS))
    )

    def loss(variables):
        losses = task.loss(variables, batch, jax.random.key(0))[0]
        return losses.mean(), losses

    (_, losses), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(archive.variables)
    np.testing.assert_allclose(losses, nemo["losses"], rtol=1e-4)
    norms = dict(zip(nemo["grad_names"].tolist(), nemo["grad_norms"].tolist(), strict=True))
    for theirs, ours in (("spk_kernels", "target"), ("bg_spk_kernels", "background")):
        for place, (number, name), (leaf, end) in itertools.product((0, 2), LAYERS, LEAVES):
            gradient = gradients["params"]["encoder"][f"speaker_kernel_{place}"][ours][name][leaf]
            norm = norms[f"{theirs}.{place}.{number}.{end}"]
            np.testing.assert_allclose(np.linalg.norm(np.ravel(gradient)), norm, rtol=2e-3)


def test_every_step_of_a_stream(multitalker):
    archive, nemo, notes, _ = multitalker
    form = streaming(build(archive.model), look_ahead=2)
    masks, (samples, length) = nemo["masks_0"], (nemo["audio"][0], int(nemo["audio_len"][0]))
    step, count = jax.jit(form.step), masks.shape[1]
    prepared = jax.jit(form.prepare)(archive.variables)
    state = form.start(prepared, count)
    samples = np.pad(samples[:length], (form.lead_in, form.step_samples))
    ids = [[] for _ in range(count)]
    for i, theirs in enumerate(notes["stream"]):
        here = slice(i * form.step_samples, (i + 1) * form.step_samples)
        n = np.full(count, np.clip(length + form.lead_in - here.start, 0, form.step_samples), np.int32)
        frames = masks[:, :, 3 * i : 3 * i + 3]
        frames = np.pad(frames, ((0, 0), (0, 0), (0, 3 - frames.shape[2])), constant_values=1)
        rows = np.tile(samples[here], (count, 1))
        found, state = step(prepared, state, rows, n, n < form.step_samples, SpeakerMasks(*frames))
        for row in range(count):
            ids[row] += np.asarray(found.tokens.ids)[row, : int(found.tokens.num_tokens[row])].tolist()
        if i + 1 < len(notes["stream"]):  # NeMo's buffer has one frame more than the recording
            assert ids == theirs, i
    # As many steps as this are the whole recording.
    assert ids == [notes[f"offline_0_{s}"] for s in range(count)]


def test_frames_of_nemos_stream_are_those_of_the_whole(multitalker):
    _, nemo, _, _ = multitalker
    for s in range(SPEAKERS[0]):
        theirs, whole = nemo[f"stream_{s}"], nemo[f"offline_0_{s}"]
        np.testing.assert_allclose(theirs[: len(whole)], whole, atol=1e-4)


def test_it_is_written_as_it_was(multitalker, tmp_path):
    archive, _, _, file = multitalker
    save_nemo(tmp_path / "again.nemo", **load_nemo(file)._asdict())
    with NemoFile(tmp_path / "again.nemo") as again, NemoFile(file) as first:
        ours, theirs = again.config(), first.config()
    for name in ("target", "spk_kernel_type", "spk_kernel_layers", "add_bg_spk_kernel"):
        assert ours[name] == theirs[name]
    returned = load_nemo(tmp_path / "again.nemo", stacked=False)
    assert returned.model == archive.model
    jax.tree.map(partial(np.testing.assert_array_equal, strict=True), returned.variables, archive.variables)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
@pytest.mark.parametrize(("places", "background"), [((0, 1, 2), True), ((1,), False)])
def test_nemo_restores_a_model_of_ours(tmp_path, places, background):
    archive = talker_archive()
    kernels = {"speaker_kernels": places, "background_kernels": background}
    model = archive.model | {"encoder": archive.model["encoder"] | kernels}
    archive = archive._replace(model=model, variables=random_variables(model, seed=8))
    save_nemo(tmp_path / "model.nemo", **archive._asdict())
    rng = np.random.default_rng(4)
    features = rng.normal(size=(2, 120, 16)).astype(np.float32)
    lengths, masks = np.array([120, 120]), rng.random((2, 2, 16)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", features=features.transpose(0, 2, 1), lengths=lengths, masks=masks)
    script = Path(__file__).with_name("multitalker_with_nemo.py")
    done = subprocess.run([NEMO_PYTHON, script, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(tmp_path / "outputs.npz") as file:
        theirs = dict(file)
    task = build(archive.model)
    inputs = features, lengths.astype(np.int32), SpeakerMasks(*masks)
    encode = jax.jit(partial(task.model.apply, method="encode_features"))
    encoded, num_frames = encode(archive.variables, *inputs)
    tokens = jax.device_get(jax.jit(task.inference.decode)(archive.variables, encoded, num_frames))
    np.testing.assert_array_equal(num_frames, theirs["num_frames"])
    np.testing.assert_allclose(encoded, theirs["encoded"], atol=1e-4)
    for row, ids in enumerate(theirs["ids"]):
        assert tokens.ids[row, : tokens.num_tokens[row]].tolist() == ids[ids >= 0].tolist()
