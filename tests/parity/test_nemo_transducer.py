"""Compares transducers loaded from NeMo's files with NeMo, from features to text and gradients."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.transducer_loss import transducer_losses
from tests.log_probs import log_probs_of
from tests.parity.naming import by_nemo_name
from tests.parity.reference import inputs_of, reference, targets_of, worst

RNNT = ["fc_rnnt_bpe", "fc_rnnt_bpe_2l", "fc_rnnt_stateless", "fc_hybrid_rnnt_ctc", "contextnet_rnnt", "fc_stream_rnnt"]
RNNT += ["lstm_rnnt", "hat_rnnt", "adapters_rnnt"]
TDT = ["fc_tdt_bpe", "fc_hybrid_tdt_ctc"]
# The files with NeMo's gradients.
WITH_GRADIENTS = ["fc_rnnt_bpe", "fc_hybrid_rnnt_ctc", "contextnet_rnnt", "lstm_rnnt", "adapters_rnnt"]
FAMILIES = [*RNNT, *TDT, "fc_multiblank_rnnt"]


class Family(NamedTuple):
    """One .nemo file, NeMo's outputs for it, and ours for the same input."""

    archive: Archive
    variables: Any
    task: Task
    nemo: dict[str, np.ndarray]
    notes: dict[str, Any]  # NeMo's texts and settings
    gradients: Any  # where the file has NeMo's
    encoded: np.ndarray
    num_frames: np.ndarray
    logits: np.ndarray  # from NeMo's features
    logits_from_audio: np.ndarray
    losses: np.ndarray


def without_chance(model: dict[str, Any]) -> dict[str, Any]:
    """Removes randomness (dropout and omega) from the configuration."""
    quiet = {"dropout": 0.0, "joint_dropout": 0.0}
    return model | {"decoder": model["decoder"] | quiet, "loss": model["loss"] | {"omega": 0.0}}


def batch_of(nemo) -> Utterances:
    samples, num_samples = nemo["audio"], nemo["audio_len"].astype(np.int32)
    return Utterances(samples, num_samples, *targets_of(nemo), np.arange(len(samples), dtype=np.int32))


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> Family:
    file, nemo, notes = reference(request.param, request)
    archive = load_nemo(file)
    task = build(without_chance(archive.model))
    batch = batch_of(nemo)

    def run(params, features, num_features):
        def outputs(model):
            ours, ours_frames = model.features(batch.samples, batch.num_samples)
            # NeMo's features and ours are the rows of one batch, which is compiled once.
            both = jnp.concatenate([features, ours]), jnp.concatenate([num_features, ours_frames])
            encoded, num_frames = model.encode_features(*both)
            logits, from_audio = jnp.split(model.decoder(encoded, jnp.tile(batch.labels, (2, 1))), 2)
            encoded, num_frames = encoded[: len(features)], num_frames[: len(features)]
            inputs = model.decoder.joint_inputs(encoded, batch.labels)
            losses = transducer_losses(model, inputs, num_frames, batch, jax.random.key(0))
            return encoded, num_frames, logits, from_audio, losses

        found = task.model.apply(variables | {"params": params}, method=outputs)
        return found[-1].mean(), found

    variables = jax.device_put(archive.variables)
    with_gradients = jax.grad(run, has_aux=True)
    compute = jax.jit(with_gradients if request.param in WITH_GRADIENTS else lambda *args: (None, run(*args)[1]))
    gradients, outputs = compute(variables["params"], *inputs_of(nemo))
    return Family(archive, variables, task, nemo, notes, gradients, *jax.tree.map(np.asarray, outputs))


def test_encoder(family):
    real, anywhere = worst(family.encoded, family.nemo["enc_out"].transpose(0, 2, 1), family.num_frames)
    assert real < 1e-4 and anywhere < 1e-4
    np.testing.assert_array_equal(family.num_frames, family.nemo["enc_out_len"])


def test_joint(family):
    theirs = family.nemo["joint_raw"]
    assert family.logits.shape == theirs.shape
    for row, n in enumerate(family.num_frames):
        # NeMo's array is NaN after the end of an utterance's labels.
        assert np.nanmax(np.abs(family.logits[row, :n] - theirs[row, :n])) < 1e-4
        assert np.nanmax(np.abs(family.logits_from_audio[row, :n] - theirs[row, :n])) < 1e-3
    assert np.isfinite(family.logits).all()


def test_losses(family):
    name = next(n for n in ("loss_pytorch_sigma", "loss_numba", "loss_pytorch") if n in family.nemo)
    np.testing.assert_allclose(family.losses, family.nemo[name], rtol=1e-4)


# The multi-blank file lacks this result; test_transducer_decoding.py compares the results that it has.
@pytest.mark.parametrize("family", [*RNNT, *TDT], indirect=True)
def test_greedy_text_from_audio(family):
    """Tests the task's own search; test_transducer_decoding.py compares ids, times and scores."""
    tokens = jax.jit(family.task.predict)(family.variables, batch_of(family.nemo))
    for row, hypothesis in enumerate(family.notes["rnnt_greedy_batch"]):
        ids = np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist()
        assert family.archive.assets["tokenizer"].decode(ids) == hypothesis["text"]
        np.testing.assert_allclose(tokens.score[row], hypothesis["score"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["fc_hybrid_rnnt_ctc", "fc_hybrid_tdt_ctc"], indirect=True)
def test_ctc_head_of_hybrids(family):
    nemo, batch = family.nemo, batch_of(family.nemo)
    assert family.task.inference.log_probs is not None
    log_probs, num_frames = jax.jit(log_probs_of(family.task))(family.variables, batch)
    assert worst(np.asarray(log_probs), nemo["ctc.log_probs"], num_frames)[0] < 1e-3
    losses = ctc_loss(log_probs, num_frames, batch.labels, batch.num_labels, blank_id=family.task.inference.vocab_size)
    np.testing.assert_allclose(losses, nemo["ctc.ctc_loss_per_utt"], rtol=1e-3)
    assert family.archive.model["ctc_weight"] == family.notes["ctc_loss_weight"]

    model = family.archive.model
    by_ctc = build(model | {"search": model["search"] | {"head": "ctc"}})
    tokens = jax.jit(by_ctc.predict)(family.variables, batch)
    for row, hypothesis in enumerate(family.notes["ctc.ctc_greedy_batch"]):
        ids = np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist()
        assert family.archive.assets["tokenizer"].decode(ids) == hypothesis["text"]


@pytest.mark.parametrize("family", WITH_GRADIENTS, indirect=True)
def test_gradients(family):
    ours = by_nemo_name(family.archive.model, family.gradients)
    largest = family.nemo["grad_norms"].max()
    for name, norm in zip(family.nemo["grad_names"].tolist(), family.nemo["grad_norms"], strict=True):
        row, grad = ours[name]
        # A bias of the keys does not affect the softmax: its gradient is zero except for rounding.
        np.testing.assert_allclose(np.linalg.norm(grad), norm, rtol=1e-4, atol=1e-6 * largest, err_msg=name)
        if f"grad.{name}" in family.nemo:
            theirs = row.transform.read(family.nemo[f"grad.{name}"])
            assert np.linalg.norm(grad - theirs) <= 1e-4 * norm + 1e-6 * largest, name
