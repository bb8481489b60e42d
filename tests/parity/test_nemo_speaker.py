"""Compares speaker models with NeMo's: embeddings, losses with gradients, twenty steps of SGD."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.losses.margin import angular_margin_loss
from jaxspeech.tasks.speaker import speaker_losses
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase, RowLosses
from tests.parity.naming import by_nemo_name
from tests.parity.reference import inputs_of, reference
from tests.parity.test_train_steps import float64_features

FAMILIES = ("titanet", "speakernet", "ecapa")


def off(ours, theirs):
    """The largest difference relative to the largest value."""
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


@pytest.mark.parametrize("name", FAMILIES)
def test_embeddings_equal_those_of_each_clip_alone(name, request, tmp_path):
    path, nemo, _ = reference(name, request)
    archive = load_nemo(path)
    model = build(archive.model).model

    def run(model, samples, num_samples, features, num_frames):
        return model(samples, num_samples), model.classify(*model.encode_features(features, num_frames))

    audio = nemo["audio"], nemo["audio_len"].astype(np.int32)
    apply = jax.jit(lambda variables, *x: model.apply(variables, *x, method=run))
    found = apply(archive.variables, *audio, *inputs_of(nemo))
    for (logits, embeddings), tolerance in zip(found, (1e-3, 1e-4), strict=True):
        for i in range(len(logits)):
            assert off(embeddings[i], nemo[f"embs_single.{i}"][0]) <= tolerance
            assert off(logits[i], nemo[f"logits_single.{i}"][0]) <= tolerance
    assert save_nemo(tmp_path / "again.nemo", **archive._asdict()) == []
    again = load_nemo(tmp_path / "again.nemo")
    assert again.model == archive.model and again.assets["classes"].names == archive.assets["classes"].names
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)


def test_angular_losses_and_gradients(refs):
    with np.load(refs / "spk_losses.npz") as file:
        nemo = dict(file)
    labels = nemo["labels"].astype(np.int32)
    for key in [key for key in nemo if key.startswith("ang.") and key.endswith(".loss")]:
        stem, kind = key.removesuffix(".loss"), key.split(".")[1]
        scale, margin = stem.partition(f"{kind}.")[2].removeprefix("s").split("_m")
        options = {"scale": float(scale), "margin": float(margin)}

        def mean(logits, options=options):
            return angular_margin_loss(logits, labels, **options).mean()

        loss, grad = jax.value_and_grad(mean)(jnp.asarray(nemo[f"ang.{kind}.logits"]))
        assert np.isfinite(loss) and np.isfinite(grad).all(), key
        if np.isfinite(nemo[key]):
            np.testing.assert_allclose(loss, nemo[key], rtol=1e-5, atol=1e-5, err_msg=key)
            theirs = nemo[f"{stem}.grad"]
            np.testing.assert_allclose(grad, theirs, atol=1e-4 * max(np.abs(theirs).max(), 1e-3), err_msg=key)


class FeatureTask:
    """A task whose batches hold features [B, T F] instead of samples."""

    def __init__(self, model):
        self.model, self.phases = model, (Phase(self.loss),)

    def seconds(self, batch):
        return batch.num_samples / 16000

    def loss(self, variables, batch, key):
        features = batch.samples.reshape(len(batch.samples), -1, self.model.frontend.num_mels)

        def logits(model):
            return model.classify(*model.encode_features(features, batch.num_samples, train=True), train=True)[0]

        logits, updates = self.model.apply(variables, method=logits, mutable=["batch_stats"])
        losses = speaker_losses(logits, batch.label, self.model.loss, angular=True)
        return RowLosses(losses, jnp.ones_like(losses), {}), dict(updates)


def test_twenty_steps(request):
    path, nemo, notes = reference("train_spk", request)
    archive = load_nemo(path)
    blocks = [block | {"dropout": 0.0} for block in archive.model["encoder"]["blocks"]]
    task = build(archive.model | {"encoder": archive.model["encoder"] | {"blocks": blocks}})
    optim = notes["optim"]
    schedule = {"name": "cosine", "warmup_steps": optim["sched"]["warmup_steps"], "min_learning_rate": 0.0}
    options = {"momentum": optim["momentum"], "weight_decay": optim["weight_decay"], "clip_norm": notes["clip"]}
    optimizer, rates = build_optimizer(
        {"name": "sgd", "learning_rate": optim["lr"], "schedule": schedule, **options}, steps=20
    )
    step = make_train_step(FeatureTask(task.model), (Update(optimizer),), schedule=rates)

    def batch(i):
        audio, length = nemo[f"batch{i}.audio"], nemo[f"batch{i}.len"].astype(np.int32)
        features, frames = float64_features(task.model, audio, length)
        features = np.pad(features, ((0, 0), (0, -features.shape[1] % 16), (0, 0)))
        np.testing.assert_array_equal(frames, nemo[f"batch{i}.feats_len"])
        flat = np.asarray(features, np.float32).reshape(len(audio), -1)
        return task.batch(flat, np.asarray(frames), nemo[f"batch{i}.labels"].astype(np.int32), np.arange(len(flat)))

    batches, state, losses, norms, found = [batch(i) for i in range(4)], None, [], [], []
    state = init_state(jax.tree.map(jnp.array, archive.variables), (optimizer,))
    for i in nemo["batch_index"]:
        state, metrics = step(state, batches[i], 0)
        losses.append(float(metrics["loss"]))
        norms.append(float(metrics["grad_norm"]))
        found.append(float(metrics["learning_rate"]))
    np.testing.assert_allclose(found, nemo["f64.lr"], rtol=1e-5, atol=1e-9)
    # Six steps agree closely. Later ones differ by a few percent, more than NeMo's float32 and float64 runs do among
    # themselves; the cause is not known.
    off_loss, off_norm = (
        np.abs(np.array(x) / nemo[f"f64.{name}"] - 1) for x, name in ((losses, "loss"), (norms, "grad_norm"))
    )
    assert off_loss[:6].max() <= 1e-4 and off_norm[:6].max() <= 2e-3
    assert off_loss.max() <= 5e-2 and off_norm.max() <= 0.1
    after = by_nemo_name(archive.model, jax.device_get(state.variables)["params"])
    before = by_nemo_name(archive.model, archive.variables["params"])
    worst = {
        name: np.linalg.norm(row.transform.read(nemo[f"param.{name}"]) - ours)
        / max(np.linalg.norm(row.transform.read(nemo[f"param.{name}"]) - before[name][1]), 1e-9)
        for name, (row, ours) in after.items()
        if name != "decoder._pooling.attention_layer.2.bias"  # its true gradient is zero
    }
    assert max(worst.values()) <= 5e-2
