"""Compares a contrastive model, loaded from a file of NeMo, with NeMo: masks, encoder, ids, losses; writes it again."""

import subprocess
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.features.masked_patches import MaskedPatches
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.losses.contrastive import contrastive_loss
from jaxspeech.losses.masked import masked_nll
from jaxspeech.quantizers.gumbel import perplexities
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import inputs_of, reference

FEATURES, ENCODER, LOSS = 1e-3, 1e-4, 1e-5
SCRIPT = Path(__file__).with_name("contrastive_with_nemo.py")


@pytest.fixture(scope="module")
def loaded(request):
    file, nemo, settings = reference("ssl_contrastive", request)
    archive = load_nemo(file)
    return archive, build(archive.model), nemo, settings


def test_masks(loaded):
    """NeMo masks as many patches of each row as of the shortest; all are whole patches of the row's own."""
    _, task, nemo, _ = loaded
    features, num_frames = inputs_of(nemo)
    masking = task.model.masking
    assert isinstance(masking, MaskedPatches)
    keys = jax.random.split(jax.random.key(0), len(features))
    silenced, hidden = jax.jit(masking)(features, num_frames, keys)
    theirs = nemo["spec_mask"].astype(bool)
    shortest = np.argmin(num_frames)
    np.testing.assert_array_equal(theirs.sum(1), hidden[shortest].sum())
    assert (hidden.sum(1) >= theirs.sum(1)).all()
    assert not np.any(np.asarray(silenced)[np.asarray(hidden)])
    for mask in (np.asarray(hidden), theirs):
        patches = mask.reshape(len(mask), -1, masking.patch_frames)
        np.testing.assert_array_equal(patches.any(2), patches.all(2))


def test_everything(loaded):
    archive, task, nemo, _ = loaded
    model, options = task.model, task.model.loss
    features, num_frames = inputs_of(nemo)
    hidden = nemo["spec_mask"].astype(bool)
    group = model.encoder.total_factor
    count = features.shape[1] // group
    groups = jnp.asarray(features.reshape(len(features), count, -1))
    masked = hidden.reshape(len(hidden), count, group).mean(-1) > options.mask_threshold
    drawn = np.zeros((*masked.shape, options.num_negatives), np.int32)
    for row, chosen in enumerate(masked):
        drawn[row, chosen] = nemo["negatives"][0]

    @jax.jit
    def compute(variables: Any) -> Any:
        silenced = jnp.where(hidden[..., None], 0, features)
        encoded, lengths = model.apply(variables, silenced, num_frames, method="encode_features")
        # NeMo's padding counts in its loss: the encoder makes fewer frames of it there.
        theirs = jnp.asarray(nemo["enc_out"].swapaxes(1, 2))
        decoder = model.decoder.clone(parent=None, name=None)
        params = {name: {"params": variables["params"][name]} for name in ("decoder", "quantizer")}
        outputs, _ = decoder.apply(params["decoder"], theirs, jnp.full(len(features), count))
        targets = model.quantizer.clone(parent=None, name=None).apply(params["quantizer"], groups, None)
        logits = model.apply(variables, theirs, method="masked_logits")
        losses, _ = contrastive_loss(
            outputs,
            targets.values,
            drawn,
            masked,
            candidates=masked,
            same=targets.same,
            temperature=options.temperature,
        )
        uneven = 1 - perplexities(targets.logits, np.ones_like(masked)).sum() / (
            targets.ids.shape[2] * targets.codes.shape[0]
        )
        contrastive = options.scale * (losses.sum() + options.diversity * uneven * masked.sum()) / len(features)
        ids = model.code_ids(targets)
        of_codes = masked_nll(logits[..., None], ids[..., None], jnp.asarray(masked))
        mean = of_codes.losses.sum() / of_codes.count.sum()
        return encoded, lengths, outputs, jax.nn.log_softmax(logits), ids, contrastive, mean

    encoded, lengths, outputs, log_probs, ids, contrastive, of_codes = jax.device_get(compute(archive.variables))
    np.testing.assert_array_equal(lengths, nemo["enc_len"])
    for row, n in enumerate(lengths):
        np.testing.assert_allclose(encoded[row, :n], nemo["enc_out"][row, :, :n].T, atol=ENCODER)
    np.testing.assert_allclose(outputs, nemo["contrastive_out"], atol=ENCODER)
    np.testing.assert_allclose(log_probs, nemo["mlm_log_probs"], atol=ENCODER)
    np.testing.assert_array_equal(ids, nemo["target_ids"])
    np.testing.assert_allclose(contrastive, nemo["loss_contrastive"], rtol=LOSS)
    np.testing.assert_allclose(of_codes, nemo["loss_mlm"], rtol=LOSS)
    total = contrastive + model.masked_codes.weight * of_codes
    np.testing.assert_allclose(total, nemo["loss"][0], rtol=LOSS)


def test_features_of_audio(loaded):
    archive, task, nemo, _ = loaded
    lengths = nemo["audio_len"].astype(np.int32)
    audio = np.where(np.arange(nemo["audio"].shape[1]) < lengths[:, None], nemo["audio"], np.nan).astype(np.float32)
    found, num_frames = task.model.apply(archive.variables, audio, lengths, method="features")
    features, theirs = inputs_of(nemo)
    np.testing.assert_array_equal(num_frames, theirs)
    for row, n in enumerate(theirs):
        np.testing.assert_allclose(found[row, :n], features[row, :n], atol=FEATURES)


def test_a_file_that_is_written_reads_the_same(loaded, tmp_path):
    archive, *_ = loaded
    save_nemo(tmp_path / "again.nemo", **archive._asdict())
    again = load_nemo(tmp_path / "again.nemo")
    assert again.model == archive.model
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"loss": {"group_loss": True}}, "contrastive.loss.group_loss"),
        ({"loss": {"reduce": "mean"}}, "contrastive.loss.reduce"),
        ({"output_from_layer": "layers.1"}, "contrastive.transpose_encoded must be true"),
        ({"output_from_layer": "pre_encode"}, "contrastive.output_from_layer 'pre_encode'"),
        ({"start_step": 5}, "contrastive.start_step"),
        ({"loss": {"_target_": "nemo.collections.asr.losses.RNNTLossForSSL"}}, "0 contrastive losses"),
    ],
)
def test_what_has_no_counterpart_is_named(loaded, change, words):
    settings = loaded[3]["config"]
    entry = settings["loss_list"]["contrastive"]
    entry = {**entry, **change, "loss": entry["loss"] | change.get("loss", {})}
    listed = settings["loss_list"] | {"contrastive": entry}
    with pytest.raises(ArchiveError, match=words):
        from_nemo(settings | {"loss_list": listed})


def test_layers_are_read_and_written(loaded, tmp_path):
    archive, *_ = loaded
    layers = {
        "loss": {**archive.model["loss"], "layer": 1},
        "masked_codes": {**archive.model["masked_codes"], "layer": 0},
    }
    save_nemo(tmp_path / "layers.nemo", **archive._replace(model=archive.model | layers)._asdict())
    again = load_nemo(tmp_path / "layers.nemo")
    assert again.model == archive.model | layers
    entry = again.metadata["nemo_config"]["loss_list"]["mlm"]
    assert (entry["output_from_layer"], entry["transpose_encoded"]) == ("layers.0", True)


@pytest.mark.skipif(not NEMO_PYTHON, reason="no NeMo: set JAXSPEECH_NEMO_PYTHON to a Python interpreter that has it")
def test_nemo_restores_what_we_write(loaded, tmp_path):
    """Strictly, with the same encoder output, vectors, ids and scores of codes."""
    archive, task, _, _ = loaded
    model = {**archive.model, "decoder": archive.model["decoder"] | {"stride_layers": 1, "layers": 1, "kernel_size": 5}}
    model["quantizer"] = {"name": "linear", "width": archive.model["quantizer"]["width"]}
    model.pop("masked_codes")
    other = archive._replace(model=model, variables=build(model).init(jax.random.key(0)), metadata={})
    codes = {"width": 6, "joint_width": 5, "joint_dropout": 0.1, "merge_repeats": False}
    model = {**archive.model, "rnnt_codes": codes}
    variables = jax.device_get(build(model).init(jax.random.key(0)))
    variables = {**variables, "params": variables["params"] | archive.variables["params"]}
    archives = {"own": archive, "other": other, "rnnt": archive._replace(model=model, variables=variables, metadata={})}
    rng = np.random.default_rng(0)
    # Without padding, which NeMo's decoder would convolve.
    samples, lengths = rng.normal(0, 0.1, (2, 20480)).astype(np.float32), np.array([20480, 20480], np.int32)
    np.savez(tmp_path / "inputs.npz", samples=samples, num_samples=lengths)
    for name, one in archives.items():
        save_nemo(tmp_path / f"{name}.nemo", **one._asdict())
    done = subprocess.run([NEMO_PYTHON, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, timeout=540)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, one in archives.items():
        task = build(one.model)
        model: Any = task.model

        @jax.jit
        def compute(variables: Any, model: Any = model) -> Any:
            encoded, num_frames = model.apply(variables, samples, lengths, method="encode")
            outputs, _ = model.decoder.clone(parent=None, name=None).apply(
                {kind: values["decoder"] for kind, values in variables.items() if "decoder" in values},
                encoded,
                num_frames,
            )
            logits = model.apply(variables, encoded, method="masked_logits") if model.masked_codes else encoded
            return encoded, outputs, jax.nn.log_softmax(logits), num_frames

        encoded, outputs, log_probs, num_frames = jax.device_get(compute(one.variables))
        with np.load(tmp_path / f"{name}.outputs.npz") as theirs:
            n = int(num_frames[0])
            np.testing.assert_allclose(encoded[:, :n], theirs["encoded"].swapaxes(1, 2)[:, :n], atol=1e-3)
            assert outputs.shape == theirs["contrastive"].shape
            edge = 12 if name == "other" else 0
            np.testing.assert_allclose(outputs[:, : n - edge], theirs["contrastive"][:, : n - edge], atol=1e-3)
            if "rnnt" in theirs:
                ids = np.broadcast_to(np.arange(8), (2, 8))
                joint = model.apply(one.variables, jnp.asarray(encoded), ids, method="rnnt_inputs")
                hidden = np.maximum(joint.encoded[:, :n, None] + joint.predicted[:, None], 0)
                np.testing.assert_allclose(hidden @ joint.kernel + joint.bias, theirs["rnnt"][:, :n], atol=1e-3)
            if "mlm" in theirs:
                np.testing.assert_allclose(log_probs[:, :n], theirs["mlm"][:, :n], atol=1e-3)
