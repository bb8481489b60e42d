"""Compares twenty SGD steps of a classifier with NeMo's: losses, gradient norms, rates, final weights."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.interop.nemo import load_nemo
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.tasks.classification import LabelledClips, class_losses
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.state import init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.updates import Update
from jaxspeech.types import Phase
from tests.features import oracle
from tests.parity.naming import by_nemo_name
from tests.parity.reference import reference

STEPS = 20
TENSORS = ("MelSpectrogram.spectrogram.window", "MelSpectrogram.mel_scale.fb", "dct_mat")


class FeatureTask(NamedTuple):
    """A task whose batches hold features [B, T F] instead of samples, all of whose frames are pooled, as in NeMo."""

    model: Any
    num_features: int

    @property
    def phases(self):
        return (Phase(self.loss),)

    def seconds(self, batch):
        return batch.num_samples / 100

    def loss(self, variables, batch, key):
        features = batch.samples.reshape(len(batch.samples), -1, self.num_features)
        everything = jnp.full(len(features), features.shape[1])
        logits, updates = self.model.apply(
            variables,
            *(features, batch.num_samples, everything),
            train=True,
            method="logits_of_features",
            mutable=["batch_stats"],
        )
        return class_losses(self.model, logits, batch.label), dict(updates)


def float64_features(file):
    """Returns a function from samples to MFCC frames in float64, with the window, filters and transform of the file.

    Those of torchaudio have errors of float32, 5e-5 in the coefficients, which change the sign of the input of a ReLU;
    from there on, the runs would differ by per cents.
    """
    with NemoFile(file) as opened:
        tensors = read_checkpoint(opened.open(WEIGHTS))
        window, filters, transform = (np.asarray(tensors[f"preprocessor.featurizer.{name}"], float) for name in TENSORS)

    def features(samples):
        x = samples.astype(float)
        padded = np.concatenate([x[256:0:-1], x, x[-2:-258:-1]])
        return np.log(oracle.spectra(padded, window, fft_size=512, hop=160) @ filters + 1e-6) @ transform

    return features


@pytest.fixture(scope="module")
def steps(request):
    """NeMo's arrays; our metrics of each step, and the parameters before and after them under NeMo's names."""
    file, nemo, notes = reference("train_cls", request)
    archive = load_nemo(file)
    blocks = [block | {"dropout": 0.0} for block in archive.model["encoder"]["blocks"]]
    model = build(archive.model | {"encoder": archive.model["encoder"] | {"blocks": blocks}, "spec_augment": {}}).model
    optim = notes["optim"]
    schedule = {
        "name": "polynomial",
        "power": optim["sched"]["power"],
        "warmup_steps": optim["sched"]["warmup_steps"],
        "hold_steps": optim["sched"]["hold_steps"],
        "min_learning_rate": optim["sched"]["min_lr"],
    }
    rule = {"name": "sgd", "learning_rate": optim["lr"], "momentum": optim["momentum"]}
    rule |= {"weight_decay": optim["weight_decay"], "clip_norm": notes["clip"] or 0.0, "schedule": schedule}
    optimizer, rates = build_optimizer(rule, steps=STEPS)
    step = make_train_step(FeatureTask(model, model.frontend.num_features), (Update(optimizer),), schedule=rates)
    features = float64_features(file)

    def batch(i):
        audio = nemo[f"batch{i}.audio"]
        flat = np.stack([features(row) for row in audio]).astype(np.float32).reshape(len(audio), -1)
        return LabelledClips(
            flat, nemo[f"batch{i}.feats_len"].astype(np.int32), nemo[f"batch{i}.labels"], np.arange(len(audio))
        )

    batches = [batch(i) for i in range(4)]
    state, metrics = init_state(jax.tree.map(jnp.array, archive.variables), (optimizer,)), []
    for i in nemo["batch_index"]:
        state, values = step(state, batches[i], 0)
        metrics.append(jax.device_get(values))
    return (
        nemo,
        metrics,
        *(by_nemo_name(archive.model, variables["params"]) for variables in (archive.variables, state.variables)),
    )


def test_losses_norms_and_rates(steps):
    nemo, metrics, _, _ = steps
    ours = {name: np.array([values[name] for values in metrics]) for name in ("loss", "grad_norm", "learning_rate")}
    np.testing.assert_allclose(ours["loss"], nemo["f64.loss"], rtol=1e-5)
    np.testing.assert_allclose(ours["grad_norm"], nemo["f64.grad_norm"], rtol=1e-5)
    np.testing.assert_allclose(ours["learning_rate"], nemo["f64.lr"], rtol=1e-5)


def test_final_weights(steps):
    nemo, _, before, after = steps
    for name, (row, ours) in after.items():
        theirs = row.transform.read(nemo[f"param.{name}"])
        moved = np.linalg.norm(theirs - before[name][1])
        assert np.linalg.norm(theirs - ours) <= 2e-3 * moved, name
