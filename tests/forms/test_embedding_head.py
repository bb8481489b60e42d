"""Tests that a head that embeds and classifies does both in either form, and trains as a classifier of recordings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxspeech
from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.forms.embedding_head import classifying, embedding
from jaxspeech.pipelines.classifier import Classifier
from jaxspeech.pipelines.embedder import Embedder
from jaxspeech.surgery.classes import change_classes
from jaxspeech.tasks.classification import LabelledClips
from jaxspeech.text.classes import Classes

NAMES = ("en", "th", "yo")
RNG = np.random.default_rng(0)


def archive(*, angular: bool) -> Archive:
    blocks = [
        {"filters": 8, "kernel": 3, "separable": True, "squeeze_excite": True},
        {"filters": 12, "kernel": 1, "separable": True, "squeeze_excite": True},
    ]
    model = {
        "task": "speaker",
        "features": {"name": "mel", "num_mels": 8},
        "encoder": {"name": "jasper", "blocks": blocks},
        "decoder": {"name": "speaker", "pooling": "statistics", "embedding_widths": (6,), "angular": angular},
        "loss": {"scale": 20.0, "margin": 0.3} if angular else {},
    }
    model["decoder"] |= {"num_classes": 3, "normalize_weights": False, "norm_over_padding": True}
    variables = jax.device_get(jax.jit(build(model).init)(jax.random.key(1)))
    return Archive(model, {"classes": Classes(NAMES)}, variables, {})


@pytest.fixture(scope="module")
def languages():
    return archive(angular=False)


def test_probabilities_are_those_of_the_scaled_logits():
    given = archive(angular=True)
    samples = [(RNG.normal(size=n) * 0.1).astype(np.float32) for n in (16000, 9000)]
    found, apply = Classifier(given).classify(samples), jax.jit(build(given.model).model.apply)
    for one, result in zip(samples, found, strict=True):
        logits, vector = apply(given.variables, one[None], np.array([len(one)]))
        odds = np.exp(np.asarray(logits[0], np.float64) * 20)
        np.testing.assert_allclose(result.probabilities, odds / odds.sum(), atol=1e-5)
        assert result.top[0][0] == NAMES[int(odds.argmax())]
        again = Embedder(Classifier(given).archive).embed([one])[0].vector
        np.testing.assert_allclose(again, vector[0], atol=1e-5)
    assert classifying(embedding(classifying(given.model))) == classifying(given.model)


def test_nemo_files_open_at_both_doors(languages, tmp_path):
    samples = (RNG.normal(size=16000) * 0.1).astype(np.float32)
    ours = Classifier(languages)
    ours.export_nemo(tmp_path / "langid.nemo")
    found = jaxspeech.load(tmp_path / "langid.nemo", Classifier)
    assert found.names == NAMES
    expected = ours.classify([samples])[0].probabilities
    np.testing.assert_allclose(found.classify([samples])[0].probabilities, expected, atol=1e-6)
    vectors = [Embedder(x.archive).embed([samples])[0].vector for x in (ours, found)]
    np.testing.assert_allclose(*vectors, atol=1e-6)


def test_other_classes_keep_their_weights(languages):
    given = languages._replace(model=classifying(languages.model))
    changed = change_classes(given, Classes(["yo", "de"]))
    before, after = (x.variables["params"]["decoder"]["classifier"]["kernel"] for x in (given, changed))
    np.testing.assert_array_equal(after[:, 0], before[:, 2])
    assert after.shape == (6, 2)


@pytest.mark.slow
def test_it_learns_two_classes(languages):
    """Tones and noise, told apart after a few steps of plain gradient descent."""
    task = build(classifying(languages.model) | {"num_classes": 2})
    variables = jax.jit(task.init)(jax.random.key(2))
    tones = np.sin(np.arange(8000) * RNG.uniform(0.1, 0.5, (8, 1)))
    samples = np.concatenate([0.1 * tones, 0.1 * RNG.normal(size=(8, 8000))]).astype(np.float32)
    label = np.repeat([0, 1], 8).astype(np.int32)
    batch = LabelledClips(samples, np.full(16, 8000, np.int32), label, np.arange(16, dtype=np.int32))

    @jax.jit
    def step(variables):
        def loss(params):
            losses, updates = task.loss(variables | {"params": params}, batch, jax.random.key(0))
            return losses.mean(), updates

        gradients, updates = jax.grad(loss, has_aux=True)(variables["params"])
        params = jax.tree.map(lambda p, g: p - 0.3 * g, variables["params"], gradients)
        return {**variables, **updates, "params": params}

    for _ in range(40):
        variables = step(variables)
    assert (np.asarray(task.predict(variables, batch)).argmax(-1) == label).all()
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(variables))
