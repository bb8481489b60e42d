"""NeMo's configuration translated to ours; one error reports everything that has no counterpart."""

import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.model_config import from_nemo

MODULES = "nemo.collections.asr.modules"


def translated(config):
    """Our configuration."""
    _, model = from_nemo(config)
    return model


@pytest.fixture
def config():
    """The smallest configuration that NeMo can restore, with its defaults everywhere else."""
    return {
        "target": "nemo.collections.asr.models.ctc_bpe_models.EncDecCTCModelBPE",
        "tokenizer": {"type": "bpe", "model_path": "nemo:123_tokenizer.model"},
        "preprocessor": {"_target_": f"{MODULES}.AudioToMelSpectrogramPreprocessor"},
        "encoder": {"_target_": f"{MODULES}.ConformerEncoder", "feat_in": 64, "n_layers": 2, "d_model": 32},
        "decoder": {"_target_": f"{MODULES}.ConvASRDecoder", "num_classes": 9},
    }


def test_nemos_defaults_are_not_ours(config):
    model = translated(config)
    assert (
        model["features"] | {"num_mels": 64, "window_seconds": 0.02, "fft_size": None, "pad_to": 16}
        == model["features"]
    )
    encoder = {"subsampling": "striding", "subsampling_factor": 4, "subsampling_channels": 32, "conv_kernel": 31}
    encoder |= {"xscaling": True, "dropout_emb": 0.1, "dropout_att": 0.0, "norm_over_padding": True}
    assert model["encoder"] | encoder == model["encoder"]
    assert model["decoder"] == {"name": "ctc", "vocab_size": 9}
    assert build(model).inference.vocab_size == 9


def test_values_that_depend_on_others(config):
    config["encoder"] |= {"conv_norm_type": "group_norm4", "conv_context_size": "causal", "feat_out": 32}
    config["encoder"] |= {"reduction": "pooling", "reduction_factor": 1, "conv_kernel_size": 9}
    config["decoder"] |= {"num_classes": -1, "vocabulary": ["a", "b"]}
    model = translated(config)
    assert (model["encoder"]["conv_norm"], model["encoder"]["conv_groups"]) == ("group", 4)
    assert model["encoder"]["conv_context"] == [8, 0]
    assert model["encoder"]["output_width"] is None and model["encoder"]["reduction"] is None
    assert model["decoder"]["vocab_size"] == 2


def test_one_error_reports_everything_unsupported(config):
    config["encoder"] |= {"self_attention_model": "rotary", "brand_new": 3, "conv_norm_type": "group_norm"}
    config["preprocessor"] |= {"nb_augmentation_prob": 0.5}
    del config["encoder"]["d_model"]
    with pytest.raises(ArchiveError) as caught:
        translated(config)
    message = str(caught.value)
    for place in [
        "self_attention_model",
        "brand_new",
        "conv_norm_type",
        "nb_augmentation",
        "d_model",
    ]:
        assert place in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("target", ["nemo.EncDecVideoModel", None, 3, ["EncDecCTCModel"]])
def test_classes_without_a_family(config, target):
    config["target"] = target
    supported = r"EncDecCTCModelBPE, .*EncDecRNNTModel, .*EncDecHybridRNNTCTCModel"
    with pytest.raises(ArchiveError, match=rf"not supported: NeMo's class .* \(can be {supported}"):
        translated(config)


def test_a_decoder_of_another_family(config):
    config["decoder"] = {"_target_": f"{MODULES}.RNNTDecoder", "vocab_size": 9, "prednet": {}}
    with pytest.raises(ArchiveError, match=r"decoder\._target_ RNNTDecoder \(can be ConvASRDecoder, LSTMDecoder\)"):
        translated(config)


@pytest.mark.parametrize("part", ["preprocessor", "encoder", "decoder"])
@pytest.mark.parametrize("value", [None, 3, [], {"_target_": 7}])
def test_malformed_parts(config, part, value):
    config[part] = value
    with pytest.raises(ArchiveError, match=part):
        translated(config)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[("d_model", "32"), ("d_model", 10**9), ("n_layers", True), ("dropout", float("nan")), ("xscaling", "yes")],
        *[("n_heads", 5), ("att_context_size", [[1, 2], [3]]), ("conv_kernel_size", 2.0), ("feat_out", [])],
    ],
)
def test_values_of_the_wrong_type_or_size(config, argument, value):
    config["encoder"][argument] = value
    with pytest.raises(ArchiveError, match=argument if argument != "n_heads" else "cannot be split into 5 heads"):
        translated(config)


@pytest.fixture
def transducer(config):
    config["target"] = "nemo.EncDecHybridRNNTCTCBPEModel"
    config["aux_ctc"] = {"ctc_loss_weight": 0.4, "decoder": config["decoder"]}
    config["decoder"] = {
        "_target_": "nemo.RNNTDecoder",
        "vocab_size": 9,
        "prednet": {"pred_hidden": 32, "pred_rnn_layers": 2, "dropout": None},
    }
    config["joint"] = {
        "_target_": "nemo.RNNTJoint",
        "num_extra_outputs": 3,
        "jointnet": {"joint_hidden": 24, "activation": "tanh"},
    }
    config["loss"] = {"loss_name": "tdt", "tdt_kwargs": {"durations": [0, 1, 4], "sigma": 0.1}}
    config["decoding"] = {"greedy": {"max_symbols": 7}}
    return config


def test_transducers(transducer):
    model = translated(transducer)
    assert model["task"] == "hybrid" and model["ctc_weight"] == 0.4
    expected = {
        "name": "transducer",
        "prediction": "lstm",
        "vocab_size": 9,
        "width": 32,
        "num_layers": 2,
        "cell_width": None,
        "joint_width": 24,
        "activation": "tanh",
        "durations": [0, 1, 4],
    }
    assert model["decoder"] == expected | {"dropout": 0.0, "joint_dropout": 0.0}
    assert model["loss"] == {"fastemit": 0.0, "clamp": -1.0, "sigma": 0.1, "omega": 0.0}
    assert model["search"] == {"max_symbols": 7}


def test_losses_of_graphs(transducer):
    transducer["joint"].pop("num_extra_outputs")
    options = {"eps_weight": -0.5, "last_blank_mode": "allow_ignore", "use_grid_implementation": False}
    transducer["loss"] = {"loss_name": "graph_w_transducer", "graph_w_transducer_kwargs": options}
    assert translated(transducer)["loss"] == {"wildcard": "allow_ignore", "wildcard_weight": -0.5}
    transducer["loss"].pop("graph_w_transducer_kwargs")
    assert translated(transducer)["loss"] == {"wildcard": "force_final", "wildcard_weight": 0.0}
    transducer["loss"] = {"loss_name": "graph_rnnt", "graph_rnnt_kwargs": {"double_scores": True}}
    assert translated(transducer)["loss"] == {}


@pytest.mark.parametrize(
    ("part", "change", "place"),
    [
        ("joint", {"num_extra_outputs": 2}, "joint.num_extra_outputs"),
        ("joint", {"jointnet": 3}, r"joint\.jointnet 3 \(must be a section"),
        ("joint", {"masking_prob": 0.5}, "joint.masking_prob"),
        ("loss", {"loss_name": "ctc"}, r"loss\.loss_name 'ctc' \(can be default"),
        (
            "loss",
            {"loss_name": "graph_w_transducer", "graph_w_transducer_kwargs": {"last_blank_mode": "any"}},
            r"last_blank_mode 'any' \(can be 'force_final', 'allow_ignore'\).*num_extra_outputs",
        ),
        ("loss", {"tdt_kwargs": {"durations": [0, -1, 4]}}, "durations"),
        ("loss", {"tdt_kwargs": {"durations": [0, 1, 4], "omegaa": 0.1}}, r"tdt_kwargs\.omegaa \(unknown"),
        ("decoder", {"prednet": {"pred_hidden": 32}}, "pred_rnn_layers"),
        ("decoder", {"normalization_mode": "batch"}, "normalization_mode"),
        ("decoding", {"greedy": {"max_symbols": "many"}}, "max_symbols 'many'"),
        ("aux_ctc", {"ctc_loss_weight": 2}, "ctc_loss_weight 2"),
        (
            "aux_ctc",
            {"decoder": {"_target_": "ConvASRDecoder", "num_classes": 8}},
            r"num_classes 8 \(its transducer has 9",
        ),
        ("aux_ctc", {"decoder": {"_target_": "ConvASRDecoder"}}, r": aux_ctc\.decoder\.num_classes \(is missing"),
        ("aux_ctc", {"decoder": {"_target_": "Other"}}, r": aux_ctc\.decoder\._target_ Other \(can be"),
        ("aux_ctc", {"decoder": None}, r": aux_ctc\.decoder is missing"),
        ("loss", {"tdt_kwargs": 3}, r": loss\.tdt_kwargs 3 \(must be"),
        ("decoding", {"greedy": 3}, r": decoding\.greedy 3 \(must be"),
        ("decoding", {"strategy": "malsd_batch", "beam": 3}, r": decoding\.beam 3 \(must be"),
    ],
)
def test_transducers_that_are_not_supported(transducer, part, change, place):
    transducer[part] = transducer[part] | change
    with pytest.raises(ArchiveError, match=place):
        translated(transducer)


def test_losses_of_middle_layers(config):
    config["interctc"] = {"loss_weights": [0.3, 0.1], "apply_at_layers": [1, 0]}
    assert translated(config)["interctc"] == {"layers": (1, 0), "weights": (0.3, 0.1)}
    build(translated(config))
    for off in (None, {}, {"loss_weights": [], "apply_at_layers": []}):
        assert "interctc" not in translated(config | {"interctc": off})


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"loss_weights": [0.3], "apply_at_layers": [2]}, r"apply_at_layers \[2\] \(the encoder has layers 0 to 1\)"),
        ({"loss_weights": [0.3], "apply_at_layers": [0, 1]}, r"interctc: 2 layers and 1 weights"),
        ({"loss_weights": [0.5, 0.5], "apply_at_layers": [0, 1]}, r"loss_weights .* must be less than 1"),
        ({"loss_weights": ["a"], "apply_at_layers": [0]}, r"interctc.loss_weights \['a'\]"),
        ({"loss_weights": 3, "apply_at_layers": [0]}, r"interctc.loss_weights 3"),
        ({"decoders": 2}, r"interctc.decoders \(unknown\)"),
        ([1], r"interctc \[1\] \(must be a section\)"),
    ],
)
def test_losses_of_middle_layers_that_nemo_refuses(config, section, problem):
    with pytest.raises(ArchiveError, match=problem):
        translated(config | {"interctc": section})


LINEAR = {"_target_": "nemo.LinearAdapter", "in_features": 32, "dim": 4}
RELATIVE = {"_target_": "nemo.RelPositionMultiHeadAttentionAdapter", "n_feat": 32, "n_head": 4, "proj_dim": -1}


def test_adapters(config):
    config["encoder"]["_target_"] = "nemo.ConformerEncoderAdapter"
    metadata = {"adapter_meta_cfg": {"modules": {"german": "encoder", "adapter": ""}}}
    config["adapters"] = {"global_cfg": metadata, "adapter": LINEAR, "german": RELATIVE | {"enabled": False}}
    encoder = translated(config)["encoder"]
    assert encoder["adapter_width"] == 4
    attending = {"kind": "relative", "width": 4, "num_heads": 4, "dropout": 0.0, "enabled": False}
    assert encoder["adapters"] == [{"name": "german"} | attending]
    build(translated(config) | {"decoder": {"name": "ctc", "vocab_size": 3}})


@pytest.mark.parametrize(
    ("adapter", "place"),
    [
        (LINEAR | {"activation": "relu"}, r"adapters\.x\.activation 'relu' \(can be 'swish'"),
        (LINEAR | {"norm_position": "post"}, r"adapters\.x\.norm_position 'post'"),
        (LINEAR | {"adapter_strategy": {"stochastic_depth": 0.5}}, r"adapters\.x\.adapter_strategy\.stochastic_depth"),
        (LINEAR | {"adapter_strategy": {"_target_": "nemo.Other"}}, r"_target_ 'nemo.Other' \(can be ResidualAdd"),
        (RELATIVE | {"proj_dim": 6}, r"adapters\.x\.proj_dim 6 \(cannot be split into 4 heads"),
        ({"_target_": "nemo.PositionalEncodingAdapter"}, r"PositionalEncodingAdapter \(can be LinearAdapter"),
    ],
)
def test_adapters_that_are_not_supported(config, adapter, place):
    config["adapters"] = {"x": adapter}
    with pytest.raises(ArchiveError, match=place):
        translated(config)


def test_adapters_in_other_modules_are_not_supported(transducer):
    transducer["adapters"] = {"global_cfg": {"adapter_meta_cfg": {"modules": {"x": "encoder+joint"}}}, "x": LINEAR}
    with pytest.raises(ArchiveError, match=r"adapters\.x in 'encoder\+joint' \(can be in the encoder"):
        translated(transducer)
