"""Features from an encoder's layers: aggregates by hand, frozen weights, padding, a speaker model on a recogniser."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ConfigError
from jaxspeech.nn.aggregate import MODES, Aggregate
from jaxspeech.surgery.encoder_features import check_encoder_given, encoder_features, encoder_variables
from jaxspeech.tasks.encoder_layers import FROZEN
from jaxspeech.tasks.speaker import Voices
from tests.interop.random_model import CHARACTERS, random_archive

ASR = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16, "dither": 0.0},
    "encoder": {
        **{"name": "fastconformer", "num_layers": 2, "width": 8, "num_heads": 2, "subsampling": "stacking"},
        **{"subsampling_factor": 4, "conv_kernel": 3, "ff_expansion": 2},
    },
    "decoder": {"name": "ctc"},
}
BLOCK = {"filters": 8, "kernel": 3, "separable": True}


def speaker(features: dict[str, Any]) -> dict[str, Any]:
    decoder = {"name": "speaker", "num_classes": 3, "embedding_widths": (4,), "attention_width": 4, "norm": "layer"}
    encoder = {"name": "jasper", "blocks": (BLOCK,)}
    return {"task": "speaker", "features": features, "encoder": encoder, "decoder": decoder}


def test_aggregates_are_those_of_numpy() -> None:
    outputs = np.random.default_rng(0).normal(size=(3, 2, 5, 4)).astype(np.float32)
    weights = np.array([0.5, -1, 2], np.float32)
    expected = {name: getattr(np, name)(outputs, 0) for name in ("sum", "mean", "max", "min")}
    expected |= {
        "cat": np.concatenate(outputs, -1),
        "weighted_sum": sum(w * x for w, x in zip(weights, outputs, strict=True)),
    }
    assert set(expected) == set(MODES)
    for mode, found in expected.items():
        params = {"params": {"weights": weights}} if mode == "weighted_sum" else {}
        joined: Any = Aggregate(mode).apply(params, list(outputs))
        np.testing.assert_allclose(joined, found, atol=1e-6)
    init: Any = Aggregate("weighted_sum").init(jax.random.key(0), list(outputs))
    np.testing.assert_allclose(init["params"]["weights"], 1 / 3)


def test_a_speaker_model_on_the_layers_of_a_recogniser() -> None:
    asr = random_archive(ASR, CHARACTERS)
    masks = {"freq_masks": 1, "freq_width": 4}
    config = speaker(encoder_features(asr, layers=(1, 0)) | {"spec_augment": masks})
    task: Any = build(config)
    assert task.model.frame_seconds == pytest.approx(0.04)
    given = encoder_variables(asr, config, name="asr")
    rng = np.random.default_rng(0)
    samples, num_samples = rng.normal(size=(2, 16000)).astype(np.float32), np.array([16000, 9000], np.int32)
    samples[1, 9000:] = np.nan
    batch = Voices(samples, num_samples, np.array([0, 2], np.int32), np.arange(2, dtype=np.int32))

    @jax.jit
    def run(given, batch):
        variables = task.init(jax.random.key(1)) | given
        variables["params"]["frontend"]["aggregate"]["weights"] = jnp.array([0.3, 2.0])

        def total(params):
            rows, updates = task.phases[0].loss(variables | {"params": params}, batch, jax.random.key(2))
            return rows.losses.sum(), updates

        gradient, updates = jax.grad(total, has_aux=True)(variables["params"])
        inputs = batch.samples, batch.num_samples
        return variables, gradient, updates, task.model.apply(variables, *inputs, method="features")

    variables, gradient, updates, (features, num_frames) = jax.device_get(run(given, batch))
    # The encoder's weights are no parameters, and a step leaves them as they are, running statistics too.
    assert set(variables["params"]["frontend"]) == {"aggregate"}
    jax.tree.map(np.testing.assert_array_equal, variables[FROZEN], given[FROZEN])
    jax.tree.map(np.testing.assert_array_equal, updates[FROZEN], given[FROZEN])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient["frontend"]["aggregate"]["weights"]).min() > 0
    # One recording alone, by the recogniser's own model.
    model: Any = build(asr.model).model
    alone = samples[1:, :9000], num_samples[1:], (0, 1)
    outputs = jax.jit(lambda v, x, n: model.apply(v, x, n, (0, 1), method="encode_layers")[2])(
        asr.variables, *alone[:2]
    )
    n = int(outputs[0].num_frames[0])
    assert num_frames[1] == n
    expected = 2.0 * outputs[0].frames[0, :n] + 0.3 * outputs[1].frames[0, :n]
    np.testing.assert_allclose(features[1, :n], expected, rtol=1e-4, atol=1e-4)


def test_an_encoder_that_is_trained_has_parameters_and_statistics() -> None:
    asr = random_archive(ASR, CHARACTERS)
    config = speaker(encoder_features(asr, aggregate="cat", frozen=False))
    shapes = jax.eval_shape(build(config).init, jax.random.key(0))
    given = encoder_variables(asr, config, name="asr")
    assert set(given) == {"params", "batch_stats"} <= set(shapes) and FROZEN not in shapes
    for collection, tree in given.items():
        ours = shapes[collection]["frontend"]["encoder"]
        assert jax.tree.map(np.shape, tree["frontend"]["encoder"]) == jax.tree.map(lambda x: x.shape, ours)


def test_mistakes_are_one_line() -> None:
    asr = random_archive(ASR, CHARACTERS)
    features = encoder_features(asr)
    for change, message in (
        ({"aggregate": "maximum"}, "aggregate 'maximum'"),
        ({"layers": (2,)}, "layers are 0 to 1"),
        ({"encodr": {}}, r"model.features.encodr is not a field"),
    ):
        with pytest.raises(ConfigError, match=message):
            build(speaker(features | change))
    with pytest.raises(ConfigError, match=r"model\.features\.encoder\.widht is not a field"):
        build(speaker(features | {"encoder": ASR["encoder"] | {"widht": 3}}))
    with pytest.raises(ConfigError, match=r"--config\.init\.features"):
        check_encoder_given(speaker(features))
    with pytest.raises(ConfigError, match="the model's features are mel"):
        encoder_variables(asr, speaker(ASR["features"]), name="asr")
    with pytest.raises(ConfigError, match="differ in width"):
        encoder_variables(asr, speaker(features | {"encoder": features["encoder"] | {"width": 16}}), name="asr")
