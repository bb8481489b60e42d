"""Compares twenty AdamW steps of a model with an attention decoder with NeMo's, from the same features.

references/train_canary.npz: losses, gradient norms and some of the weights of NeMo 3.0.0, which trained canary_canary2
in float64 without dropout and masks, on its three recordings, with label smoothing of 0.1 and a rate of 1e-3.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.tasks.attention import Prompted, decoder_losses, teacher_forcing
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase
from tests.parity.naming import by_nemo_name
from tests.parity.reference import inputs_of, reference

NEMO = Path(__file__).parent / "references" / "train_canary.npz"


class FeatureTask:
    """The task with features [B, T F] in the place of samples."""

    def __init__(self, model):
        self.model, self.phases = model, (Phase(self.loss),)

    def seconds(self, batch):
        return batch.num_samples / 100

    def loss(self, variables, batch, key):
        features = batch.samples.reshape(len(batch.samples), -1, self.model.frontend.num_mels)
        ids, targets, counts = teacher_forcing(batch, end_id=self.model.decoder.end_id)

        def states(model):
            return model.decoder(*model.encode_features(features, batch.num_samples, train=True), ids, train=True)

        states, updates = self.model.apply(variables, method=states, mutable=["batch_stats"])
        return decoder_losses(self.model, variables, states, targets, counts), dict(updates)


@pytest.mark.slow
def test_losses_norms_and_weights(request):
    path, refs, _ = reference("canary_canary2", request)
    with np.load(NEMO) as file:
        nemo = dict(file)
    archive = load_nemo(path)
    parts = {part: archive.model[part] for part in ("encoder", "decoder")}
    quiet = {part: fields | {n: 0.0 for n in fields if n.startswith("dropout")} for part, fields in parts.items()}
    model = build(archive.model | quiet).model
    task = FeatureTask(model.clone(loss=dataclasses.replace(model.loss, label_smoothing=0.1)))

    features, num_frames = inputs_of(refs)
    prompt = archive.assets["prompt"].encode(archive.assets["tokenizer"], {})
    prompts, num_prompts = np.tile(prompt, (3, 1)).astype(np.int32), np.full(3, len(prompt), np.int32)
    labels, num_labels = refs["dec_input"][:, len(prompt) :].astype(np.int32), refs["dec_len"].astype(np.int32)
    flat = np.asarray(features, np.float32).reshape(3, -1)
    index = np.arange(3, dtype=np.int32)
    batch = Prompted(flat, num_frames, prompts, num_prompts, labels, num_labels - len(prompt), index)

    options = {"name": "adamw", "learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.98, "eps": 1e-8, "weight_decay": 1e-3}
    optimizer, rates = build_optimizer({**options, "schedule": {"name": "constant"}}, steps=20)
    step = make_train_step(task, (Update(optimizer),), schedule=rates, loss_reduction="mean_volume")
    state = init_state(jax.tree.map(jnp.array, archive.variables), (optimizer,))
    losses, norms = [], []
    for _ in range(20):
        state, metrics = step(state, batch, 0)
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["grad_norm"]))
    np.testing.assert_allclose(losses[:4], nemo["loss"][:4], rtol=1e-5)
    np.testing.assert_allclose(losses, nemo["loss"], rtol=1e-3)
    np.testing.assert_allclose(norms[:4], nemo["grad_norm"][:4], rtol=1e-4)

    after = by_nemo_name(archive.model, jax.device_get(state.variables)["params"])
    before = by_nemo_name(archive.model, archive.variables["params"])
    for name in (name for name in nemo if name not in ("loss", "grad_norm")):
        row, ours = after[name]
        theirs, old = row.transform.read(nemo[name]), before[name][1]
        assert np.linalg.norm(ours - theirs) <= 1e-2 * np.linalg.norm(theirs - old), name
