"""Compares CTC models loaded from NeMo's files with NeMo, from features to text and gradients."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.losses.ctc import ctc_loss
from jaxspeech.search.ctc import ctc_greedy
from jaxspeech.tasks.task import Task
from tests.parity.naming import by_nemo_name
from tests.parity.reference import as_returned, every_layer, inputs_of, reference, targets_of, worst

FAMILIES = ["fc_ctc_bpe", "fc_ctc_bpe_xscale", "fc_ctc_abs_tied", "fc_ctc_untie_false", "fc_ctc_limited"]
FAMILIES += ["conformer_ctc_char", "fc_long", "fc_long_global_sep", "fc_stream_ctc", "fc_stream_regular"]
FAMILIES += ["quartznet", "jasper", "citrinet", "citrinet_se_ctx"]
FAMILIES += ["squeezeformer_ctc", "squeezeformer_abs", "lstm_ctc", "transformer_ctc", "transformer_abs", "carnelinet"]
FAMILIES += ["adapters_ctc", "jasper_adapters_ctc", "lstm_head_ctc"]
# The families whose files have NeMo's gradients; the first also has its outputs in training mode.
WITH_GRADIENTS = ["fc_ctc_bpe", "fc_ctc_bpe_xscale", "conformer_ctc_char", "quartznet", "jasper", "citrinet"]
WITH_GRADIENTS += ["squeezeformer_ctc", "lstm_ctc", "adapters_ctc", "jasper_adapters_ctc"]


class Family(NamedTuple):
    """One .nemo file, NeMo's outputs for it, and ours for the same input."""

    archive: Archive
    variables: Any
    task: Task
    nemo: dict[str, np.ndarray]
    notes: dict[str, Any]  # NeMo's texts and settings
    loss: float  # of the batch
    gradients: Any  # where the file has NeMo's
    features: np.ndarray  # ours, [B T F]
    layers: list[np.ndarray]  # from NeMo's features: subsampled frames, then each layer
    encoded: np.ndarray
    encoded_frames: np.ndarray
    losses: np.ndarray
    log_probs: np.ndarray
    log_probs_from_audio: np.ndarray

    @property
    def num_frames(self):
        return self.nemo["enc_out_len"]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> Family:
    file, nemo, notes = reference(request.param, request)
    archive = load_nemo(file)
    task = build(archive.model)

    def run(params, features, num_features, samples, num_samples, labels, num_labels):
        def outputs(model):
            ours, ours_frames = model.features(samples, num_samples)
            # NeMo's features and ours are the rows of one batch, which is compiled once.
            both = jnp.concatenate([features, ours]), jnp.concatenate([num_features, ours_frames])
            encoded, num_frames, layers = model.encoder(*both, layers=every_layer(model.encoder))
            logits, from_audio = jnp.split(model.decoder(model.head_states(encoded, num_frames)), 2)
            encoded, num_frames, *layers = (
                x[: len(labels)] for x in (encoded, num_frames, *(layer.frames for layer in layers))
            )
            losses = ctc_loss(logits, num_frames, labels, num_labels, blank_id=task.inference.vocab_size)
            return ours, layers, encoded, num_frames, losses, jax.nn.log_softmax(logits), jax.nn.log_softmax(from_audio)

        found = task.model.apply(variables | {"params": params}, method=outputs)
        losses = found[4]
        return losses.sum() / num_labels.sum() if notes["ctc_reduction"] == "mean_volume" else losses.mean(), found

    variables = jax.device_put(archive.variables)
    inputs = *inputs_of(nemo), nemo["audio"], nemo["audio_len"].astype(np.int32), *targets_of(nemo)
    with_gradients = jax.value_and_grad(run, has_aux=True)
    compute = jax.jit(with_gradients if request.param in WITH_GRADIENTS else lambda *args: (run(*args), None))
    (loss, outputs), gradients = compute(variables["params"], *inputs)
    outputs = jax.tree.map(np.asarray, outputs)
    return Family(archive, variables, task, nemo, notes, float(loss), gradients, *outputs)


def test_features(family):
    theirs, num_frames = inputs_of(family.nemo)
    real, anywhere = worst(family.features, theirs, num_frames)
    assert real < 1e-3 and anywhere < 1e-3
    assert np.sqrt(np.mean((family.features - theirs) ** 2)) < 1e-4


def test_every_layer_from_nemos_features(family):
    theirs = as_returned(family.nemo, family.task.model.encoder, family.archive.variables)
    assert len(theirs) > 1
    for i, (ours, both) in enumerate(zip(family.layers, theirs, strict=True)):
        if both is None:
            continue
        layer, num_frames = both
        # Padding included: our encoder has the same padding as NeMo's.
        real, anywhere = worst(ours, layer, num_frames)
        assert real < 1e-4 and anywhere < 1e-4, f"layer {i}"


def test_encoder_output(family):
    real, anywhere = worst(family.encoded, family.nemo["enc_out"].transpose(0, 2, 1), family.num_frames)
    assert real < 1e-4 and anywhere < 1e-4
    np.testing.assert_array_equal(family.encoded_frames, family.num_frames)


def test_log_probs(family):
    assert max(worst(family.log_probs, family.nemo["log_probs"], family.num_frames)) < 1e-4
    assert max(worst(family.log_probs_from_audio, family.nemo["log_probs"], family.num_frames)) < 1e-3


def test_greedy_tokens_and_text_from_audio(family):
    num_frames = jnp.asarray(family.num_frames, jnp.int32)
    blank = family.task.inference.vocab_size
    assert blank == family.notes["blank_id"]
    tokens = ctc_greedy(jnp.asarray(family.log_probs_from_audio), num_frames, blank_id=blank)
    # The files of the streaming families have texts under one of these keys, or none.
    hypotheses = family.notes.get("ctc_greedy_batch") or family.notes.get("offline_text") or [None] * len(num_frames)
    for row, hypothesis in enumerate(hypotheses):
        best = np.argmax(family.log_probs_from_audio[row, : num_frames[row]], -1)
        np.testing.assert_array_equal(best, family.nemo["greedy_argmax"][row, : num_frames[row]])
        ids = np.asarray(tokens.ids[row, : tokens.num_tokens[row]]).tolist()
        collapsed = [k for k, previous in zip(best, [-1, *best], strict=False) if k not in (previous, blank)]
        assert ids == collapsed
        assert hypothesis is None or family.archive.assets["tokenizer"].decode(ids) == hypothesis["text"]


def test_losses(family):
    np.testing.assert_allclose(family.losses, family.nemo["ctc_loss_per_utt"], rtol=1e-4)
    np.testing.assert_allclose(family.loss, family.nemo["ctc_loss"], rtol=1e-4)


@pytest.mark.parametrize("family", ["lstm_head_ctc"], indirect=True)
def test_the_lstms_of_a_head_belong_to_the_encoding(family):
    model = family.task.model
    encoded, num_frames = jax.jit(partial(model.apply, method="encode_features"))(
        family.variables, *inputs_of(family.nemo)
    )
    log_probs = jax.nn.log_softmax(model.apply(family.variables, encoded, method="ctc_logits"))
    assert max(worst(np.asarray(log_probs), family.nemo["log_probs"], num_frames)) < 1e-4


@pytest.mark.parametrize("family", WITH_GRADIENTS, indirect=True)
def test_gradients(family):
    ours = by_nemo_name(family.archive.model, family.gradients)
    names = family.nemo["grad_names"].tolist()
    assert set(names) <= ours.keys()
    # An adapter that is not enabled has no gradient in NeMo, and zeros here.
    assert not any(np.any(grad) for name, (_, grad) in ours.items() if name not in names)
    # By rounding, the input of one ReLU changes its sign near zero, which affects the gradients before it.
    rtol = 1e-3 if family.archive.model["encoder"].get("activation") == "relu" else 1e-4
    largest = family.nemo["grad_norms"].max()
    for name, norm in zip(family.nemo["grad_names"].tolist(), family.nemo["grad_norms"], strict=True):
        row, grad = ours[name]
        # A bias of the keys does not affect the softmax: its gradient is zero except for rounding.
        np.testing.assert_allclose(np.linalg.norm(grad), norm, rtol=rtol, atol=1e-6 * largest, err_msg=name)
        if f"grad.{name}" in family.nemo:
            theirs = row.transform.read(family.nemo[f"grad.{name}"])
            assert np.linalg.norm(grad - theirs) <= 1e-4 * norm + 1e-6 * largest, name


@pytest.mark.parametrize("family", ["fc_ctc_bpe"], indirect=True)
def test_training_mode_and_batch_statistics(family):
    config = family.archive.model
    without_dropout = {name: 0.0 for name in config["encoder"] if name.startswith("dropout")}
    model = build(config | {"encoder": config["encoder"] | without_dropout}).model
    run = partial(model.apply, method="encode_features", train=True, mutable=["batch_stats"])
    (encoded, _), updates = jax.jit(run)(family.variables, *inputs_of(family.nemo))
    theirs = family.nemo["train_enc_out"].transpose(0, 2, 1)
    assert max(worst(np.asarray(encoded), theirs, family.num_frames)) < 1e-4
    statistics = updates["batch_stats"]["encoder"]["layers"]["convolution"]["norm"]
    for i in range(config["encoder"]["num_layers"]):
        for kind in ("mean", "var"):
            theirs = family.nemo[f"train_bn_{kind}.layers.{i}.conv.batch_norm"]
            np.testing.assert_allclose(statistics[kind][i], theirs, rtol=1e-5, atol=1e-6)
