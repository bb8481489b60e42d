"""Compares twenty SGD steps of a speaker model with NeMo's: losses, gradient norms, rates, final weights.

Rounding errors grow tenfold every three steps: NeMo's own float32 runs differ from its float64 run by 1e-3 to 1e-2 at
the end, depending on the number of threads, and its float64 run by 2e-2 if its input is the float64 features of the
same audio (NeMo's, in float32, are off by up to 3e-4). So all steps are compared in float64, from drawn features, and
the first ones from the features of audio too. The tolerances are those of NeMo's float32 run of the reference.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.tasks.speaker import Voices, speaker_losses
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase, RowLosses
from tests.parity.naming import by_nemo_name
from tests.parity.reference import OWN, reference
from tests.parity.speaker_steps import drawn_features, some
from tests.parity.test_train_steps import float64_features

# The true gradient of this bias is zero: it adds the same to all frames.
FLAT = "decoder._pooling.attention_layer.2.bias"


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


@pytest.fixture(scope="module")
def nemo(request):
    """NeMo's model, its arrays and settings; and the arrays of its steps with drawn features."""
    with np.load(OWN / "train_spk_float64.npz") as file:
        return *reference("train_spk", request), dict(file)


@pytest.fixture(scope="module")
def run(nemo):
    """Returns a function: batches (features [B T F], num_frames) -> metrics, variables before and after them."""
    path, arrays, notes, _ = nemo
    archive = load_nemo(path)
    blocks = [block | {"dropout": 0.0} for block in archive.model["encoder"]["blocks"]]
    optim = notes["optim"]
    schedule = {"name": "cosine", "warmup_steps": optim["sched"]["warmup_steps"], "min_learning_rate": 0.0}
    options = {"momentum": optim["momentum"], "weight_decay": optim["weight_decay"], "clip_norm": notes["clip"]}

    with pytest.MonkeyPatch.context() as patch, jax.enable_x64(True):
        # What is float32 "whatever the dtype" is float64 too.
        patch.setattr(jnp, "float32", jnp.float64)
        model = build(archive.model | {"encoder": archive.model["encoder"] | {"blocks": blocks}}).model
        model = model.clone(encoder=model.encoder.clone(dtype=jnp.float64))
        optimizer, rates = build_optimizer(
            {"name": "sgd", "learning_rate": optim["lr"], "schedule": schedule, **options}, steps=20
        )
        step = make_train_step(FeatureTask(model), (Update(optimizer),), schedule=rates)

        def train(batches):
            labels = [arrays[f"batch{i}.labels"].astype(np.int32) for i in range(4)]
            batches = [
                Voices(x.reshape(len(x), -1), counts.astype(np.int32), label, np.arange(len(x)))
                for (x, counts), label in zip(batches, labels, strict=True)
            ]
            before = jax.tree.map(lambda x: jnp.array(x, jnp.float64), archive.variables)
            state, metrics = init_state(before, (optimizer,)), []
            for i in arrays["batch_index"]:
                state, values = step(state, batches[i], 0)
                metrics.append(jax.device_get(values))
            names = ("loss", "grad_norm", "learning_rate")
            metrics = {name: np.array([values[name] for values in metrics]) for name in names}
            return metrics, archive.model, archive.variables, jax.device_get(state.variables)

        yield train


def off(ours, theirs):
    return np.abs(ours / theirs - 1)


@pytest.mark.slow
def test_all_steps_from_drawn_features(run, nemo):
    _, arrays, _, theirs = nemo
    metrics, model, before, after = run([drawn_features(i) for i in range(4)])
    np.testing.assert_allclose(metrics["learning_rate"], arrays["f64.lr"], rtol=1e-5, atol=1e-9)
    # The rates are float32: rounding of 5e-8 grows too.
    for name, early in (("loss", 1e-5), ("grad_norm", 1e-4)):
        assert off(metrics[name], theirs[name])[:15].max() <= early
        assert off(metrics[name], theirs[name]).max() <= 1.2e-3
    before = by_nemo_name(model, before["params"])
    for name, (row, ours) in by_nemo_name(model, after["params"]).items():
        ours, first = (some(row.transform.write(np.asarray(x))) for x in (ours, before[name][1]))
        expected = theirs[f"param.{name}"]
        if name != FLAT:
            assert np.linalg.norm(ours - expected) <= 2.4e-3 * np.linalg.norm(expected - first), name


def test_first_steps_from_the_features_of_audio(run, nemo):
    _, arrays, _, _ = nemo

    def features(i):
        x, counts = float64_features(None, arrays[f"batch{i}.audio"], arrays[f"batch{i}.len"])
        np.testing.assert_array_equal(counts, arrays[f"batch{i}.feats_len"])
        return np.pad(x, ((0, 0), (0, -x.shape[1] % 16), (0, 0))), counts

    metrics, *_ = run([features(i) for i in range(4)])
    for name, tolerance in (("loss", 1e-4), ("grad_norm", 2e-3)):
        assert off(metrics[name], arrays[f"f64.{name}"])[:6].max() <= tolerance
        assert off(metrics[name], arrays[f"f64.{name}"]).max() <= 5e-2
