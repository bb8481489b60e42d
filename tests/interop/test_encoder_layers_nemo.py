"""NeMo's features from an encoder's layers, read from its configuration; every variable has a tensor."""

import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.expected_shapes import build_with_shapes
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.interop.nemo.weights.read import places

MODULES = "nemo.collections.asr.modules"


@pytest.fixture
def config():
    """A small TitaNet on two of three layers."""
    mel = {"_target_": f"{MODULES}.AudioToMelSpectrogramPreprocessor"}
    encoder = {"_target_": f"{MODULES}.ConformerEncoder", "feat_in": 64, "n_layers": 3, "d_model": 8, "n_heads": 2}
    features = {
        "_target_": f"{MODULES}.ConformerMultiLayerFeaturePreprocessor",
        "aggregator": {"_target_": f"{MODULES}.x.Aggregator", "mode": "weighted_sum", "weights": None},
        "preprocessor": mel,
        "spec_augment": {"_target_": f"{MODULES}.SpectrogramAugmentation", "freq_masks": 3},
        "encoder": encoder,
        "layer_idx_list": [-1, 0],
        "freeze_encoder": True,
    }
    block = {"filters": 8, "repeat": 1, "kernel": [3], "stride": [1], "dilation": [1], "dropout": 0.0}
    block |= {"residual": False, "separable": True}
    return {
        "target": "nemo.collections.asr.models.label_models.EncDecSpeakerLabelModel",
        "nemo_version": "3.0.0",
        "preprocessor": features,
        "encoder": {"_target_": f"{MODULES}.ConvASREncoder", "feat_in": 8, "activation": "relu", "jasper": [block]},
        "decoder": {"_target_": f"{MODULES}.SpeakerDecoder", "feat_in": 8, "num_classes": 3, "emb_sizes": 4},
    }


@pytest.mark.parametrize("frozen", [True, False])
def test_a_weighted_sum_of_the_layers_that_are_named(config, frozen):
    config["preprocessor"]["freeze_encoder"] = frozen
    family, model = from_nemo(config)
    features = model["features"]
    assert features["layers"] == (0, 2) and features["aggregate"] == "weighted_sum" and features["frozen"] is frozen
    assert features["spec_augment"]["freq_masks"] == 3 and features["encoder"]["width"] == 8
    module, expected = build_with_shapes(model)
    assert expected["params/frontend/aggregate/weights"].shape == (2,)
    filled = {path for row in family.rows(model) for path in places(row, expected)}
    assert filled == {*expected}
    assert any(path.startswith("frozen/") for path in expected) is frozen
    assert "preprocessor.preprocessor.featurizer.fb" in family.derived(module)


def test_the_last_layer_is_added_from_version_3_on(config):
    config["preprocessor"]["aggregator"]["mode"] = "avg"
    assert from_nemo(config)[1]["features"]["layers"] == (0, 2, 2)
    assert from_nemo(config)[1]["features"]["aggregate"] == "mean"
    assert from_nemo(config | {"nemo_version": "2.4.0"})[1]["features"]["layers"] == (0, 2)
    config["preprocessor"]["layer_idx_list"] = None
    assert from_nemo(config)[1]["features"]["layers"] == (0, 1, 2, 2)


def test_one_error_names_what_has_no_counterpart(config):
    aggregator = {"mode": "max", "weights": [1.0], "layers": 3}
    config["preprocessor"] |= {"aggregator": aggregator, "layer_idx_list": [3], "new": 1}
    config["preprocessor"]["encoder"] |= {"reduction": "pooling", "reduction_factor": 2, "reduction_position": -1}
    with pytest.raises(ArchiveError) as caught:
        from_nemo(config)
    for part in (
        "preprocessor.aggregator.mode 'max'",
        "preprocessor.aggregator.weights [1.0]",
        "preprocessor.aggregator.layers (unknown)",
        "preprocessor.layer_idx_list [3] (must be a list of layers, 0 to 2)",
        "preprocessor.new (unknown)",
        "preprocessor.encoder.reduction 'pooling'",
    ):
        assert part in str(caught.value)
