"""Compares twenty AdamW steps of Sortformer with NeMo's: losses, gradient norms, learning rates and final weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.losses.permutation import activity_losses
from jaxspeech.tasks.sortformer import Conversations
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase
from tests.parity.naming import by_nemo_name
from tests.parity.reference import reference
from tests.parity.test_train_steps import float64_features, relative, total_norm

# The true gradient of these biases is zero, so that they change only by rounding.
FLAT = ("depthwise_conv.bias", "key_net.bias", "linear_k.bias")
# Nothing depends on it: PyTorch leaves it alone, while our weight decay makes it smaller.
SPARE = "sortformer_modules.hidden_to_spks."


class FeatureTask:
    """A task whose batches hold features [B, T F] instead of samples."""

    def __init__(self, model):
        self.model, self.phases = model, (Phase(self.loss),)

    def seconds(self, batch):
        return batch.num_samples / 16000

    def loss(self, variables, batch, key):
        features = batch.samples.reshape(len(batch.samples), -1, self.model.frontend.num_mels)

        def logits(model):
            encoded, num_frames = model.encode_features(features, batch.num_samples, train=True)
            return model.decoder(encoded, num_frames, train=True), num_frames

        (logits, num_frames), updates = self.model.apply(variables, method=logits, mutable=["batch_stats"])
        num_frames = jnp.minimum(num_frames, batch.num_activity)
        return activity_losses(logits, batch.activity, num_frames), dict(updates)


@pytest.fixture(scope="module")
def nemo(request):
    return reference("train_sortformer", request)


@pytest.fixture(scope="module")
def run(nemo):
    """Our metrics of the steps, and the variables before and after them."""
    path, arrays, notes = nemo
    archive, optim = load_nemo(path), notes["optim"]
    parts = {
        part: {name: 0.0 if name.startswith("dropout") else value for name, value in archive.model[part].items()}
        for part in ("encoder", "decoder")
    }
    schedule = {"name": "inverse_sqrt", "warmup_steps": optim["sched"]["warmup_steps"]}
    schedule["min_learning_rate"] = optim["sched"]["min_lr"]
    config = {"name": optim["name"], "learning_rate": optim["lr"], "weight_decay": optim["weight_decay"]}
    config |= {"beta1": optim["betas"][0], "beta2": optim["betas"][1], "clip_norm": notes["clip"] or 0.0}
    optimizer, rates = build_optimizer(config | {"schedule": schedule}, steps=notes["steps"])
    task = FeatureTask(build(archive.model | parts).model)
    step = make_train_step(task, (Update(optimizer),), schedule=rates, loss_reduction="mean_volume")

    def batch(i):
        x, counts = float64_features(None, arrays[f"batch{i}.audio"], arrays[f"batch{i}.len"])
        np.testing.assert_array_equal(counts, arrays[f"batch{i}.feats_len"])
        flat = x[:, : counts.max()].astype(np.float32).reshape(len(x), -1)
        targets, lengths = (arrays[f"batch{i}.{name}"] for name in ("targets", "targets_len"))
        return Conversations(flat, counts.astype(np.int32), targets, lengths.astype(np.int32), np.arange(len(x)))

    batches = [batch(i) for i in range(4)]
    # A step donates the buffers of its state.
    state, metrics = init_state(jax.tree.map(jnp.array, archive.variables), (optimizer,)), []
    for i in arrays["batch_index"]:
        state, values = step(state, batches[i], 0)
        metrics.append(jax.device_get(values))
    metrics = {name: np.array([values[name] for values in metrics]) for name in ("loss", "grad_norm", "learning_rate")}
    return metrics, archive.model, archive.variables, jax.device_get(state.variables)


def test_losses_norms_and_rates(run, nemo):
    _, arrays, _ = nemo
    metrics, *_ = run
    np.testing.assert_allclose(metrics["learning_rate"], arrays["f64.lr"], rtol=1e-6)
    assert relative(metrics["loss"], arrays["f64.loss"]).max() <= 2e-6
    assert relative(metrics["grad_norm"], arrays["f64.grad_norm"]).max() <= 1e-5


def test_final_weights(run, nemo):
    """Tolerances are relative to the change of the weights."""
    _, arrays, _ = nemo
    _, model, before, after = run
    before = by_nemo_name(model, before["params"])
    off, gone = {}, {}
    for name, (row, ours) in by_nemo_name(model, after["params"]).items():
        if f"param.{name}" in arrays and not name.endswith(FLAT) and not name.startswith(SPARE):
            theirs = row.transform.read(arrays[f"param.{name}"])
            off[name], gone[name] = ours - theirs, theirs - before[name][1]
    assert len(off) > 50
    assert total_norm(off.values()) <= 3e-3 * total_norm(gone.values())
    for name in off:
        assert total_norm([off[name]]) <= 2e-2 * total_norm([gone[name]]), name
