"""Cached projections of positions give the same results as without a cache, also after the weights change."""

from functools import cache

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.kept_positions import KeptPositions
from jaxspeech.nn.attention import POSITIONS
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.recognition import Utterances
from tests.interop.random_model import CHARACTERS, random_archive
from tests.log_probs import log_probs_of

RATE, LONGEST = 16000, 4.0
SMALL = {"num_layers": 2, "width": 16, "num_heads": 2, "subsampling_channels": 4}
FASTCONFORMER = {"name": "fastconformer", **SMALL}
ENCODERS = {
    "untied": FASTCONFORMER,
    "tied": FASTCONFORMER | {"untied_biases": False},
    "squeezeformer": {"name": "squeezeformer", **SMALL, "reduce_at": 0, "recover_at": 1},
}


class Model:
    """A random model in the form for inference, whose programs are compiled once for each shape."""

    def __init__(self, encoder, dtype=None):
        features = {"name": "mel", "num_mels": 16}
        config = {"task": "ctc", "features": features, "encoder": encoder, "decoder": {"name": "ctc"}}
        archive = random_archive(config, CHARACTERS)
        config, self.variables = for_inference(archive.model, archive.variables, dtype=dtype)
        self.kept = KeptPositions(build(config).model, seconds=LONGEST)
        self.run = jax.jit(log_probs_of(build(config)))

    def log_probs(self, variables, seconds):
        samples = np.random.default_rng(0).normal(0, 0.1, (2, round(seconds * RATE))).astype(np.float32)
        lengths = np.array([samples.shape[1], samples.shape[1] * 2 // 3])
        batch = Utterances(samples, lengths, np.zeros((2, 0), np.int32), np.zeros(2, np.int32), np.arange(2))
        return np.asarray(self.run(variables, batch)[0])


@cache
def model_of(name):
    return Model(ENCODERS[name])


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("untied", 0.5), ("untied", LONGEST), ("untied", LONGEST + 1.0), ("tied", LONGEST), ("squeezeformer", LONGEST)],
)
def test_results_are_those_without(name, seconds):
    model = model_of(name)
    kept = model.kept.beside(model.variables)
    assert POSITIONS in kept and POSITIONS not in model.variables
    np.testing.assert_allclose(
        model.log_probs(kept, seconds), model.log_probs(model.variables, seconds), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize(("seconds", "used"), [(0.5, True), (LONGEST, True), (LONGEST + 1.0, False)])
def test_they_are_what_attention_takes_as_far_as_they_reach(seconds, used):
    model = model_of("untied")
    kept = model.kept.beside(model.variables)
    others = {**kept, POSITIONS: jax.tree.map(lambda x: x + 1.0 * np.arange(x.shape[2]), kept[POSITIONS])}
    change = np.abs(model.log_probs(others, seconds) - model.log_probs(kept, seconds)).max()
    assert change > 1e-3 if used else change == 0


def test_half_precision_rounds_the_same():
    model = Model(FASTCONFORMER, dtype="bfloat16")
    kept = model.kept.beside(model.variables)
    np.testing.assert_allclose(model.log_probs(kept, 0.5), model.log_probs(model.variables, 0.5), rtol=0, atol=1e-5)


def test_other_weights_have_others():
    model = Model(FASTCONFORMER)
    first = model.kept.beside(model.variables)[POSITIONS]
    assert model.kept.beside({**model.variables})[POSITIONS] is first
    doubled = jax.tree.map(lambda x: 2 * x, model.variables)
    second = model.kept.beside(doubled)[POSITIONS]
    jax.tree.map(lambda x, y: np.testing.assert_allclose(2 * x, y, rtol=1e-6), first, second)


def test_a_recognizer_with_other_weights_hears_by_them():
    config = {"task": "ctc", "features": {"name": "mel", "num_mels": 16}, "encoder": FASTCONFORMER}
    asr, other = (Recognizer(random_archive(config | {"decoder": {"name": "ctc"}}, CHARACTERS)) for _ in range(2))
    other.variables = jax.tree.map(lambda x: 1.5 * x, other.variables)
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    before, expected = (model.transcribe([samples], return_log_probs=True)[0].log_probs for model in (asr, other))
    asr.variables = other.variables
    again = asr.transcribe([samples], return_log_probs=True)[0].log_probs
    np.testing.assert_array_equal(again, expected)
    assert np.abs(before - expected).max() > 1e-3


@pytest.mark.parametrize(
    "encoder",
    [
        FASTCONFORMER | {"attention": "abs_pos"},
        FASTCONFORMER | {"attention": "rel_pos_local", "attention_context": (8, 8)},
        {"name": "transformer", **SMALL},
    ],
)
def test_encoders_without_such_positions_keep_none(encoder):
    model = Model(encoder)
    assert model.kept.beside(model.variables) is model.variables
