"""Builds small NeMo models with random weights for make_references.py; it runs in NeMo's interpreter."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import torch
from omegaconf import OmegaConf

# Tensors that stay as they are: of the frontend; embeddings, in which the blank's row is zero; constants.
FIXED = re.compile(r"^preprocessor|pos_enc$|embed(s\.\d+)?\.weight$|\.weights$")
LABELS = list(" abcdefghijklmnopqrstuvwxyz'")
MODULES = "nemo.collections.asr.modules"
PREPROCESSOR = {
    "_target_": f"{MODULES}.AudioToMelSpectrogramPreprocessor",
    "sample_rate": 16000,
    "window_size": 0.025,
    "features": 32,
    "n_fft": 512,
    "dither": 0.0,
    "pad_to": 0,
}
BLOCK = {"filters": 8, "repeat": 1, "kernel": [5], "stride": [1], "dilation": [1], "dropout": 0.0, "residual": False}
BLOCK |= {"separable": True}
CONFORMER = {
    "_target_": f"{MODULES}.ConformerEncoder",
    "n_layers": 2,
    "d_model": 16,
    "n_heads": 2,
    "subsampling": "striding",
    "subsampling_factor": 4,
    "subsampling_conv_channels": 4,
    "ff_expansion_factor": 1,
    "conv_kernel_size": 5,
}
ENCODERS = {
    "squeezeformer_ctc": {
        "_target_": f"{MODULES}.SqueezeformerEncoder",
        "n_layers": 4,
        "d_model": 16,
        "n_heads": 2,
        "subsampling_conv_channels": 8,
        "ff_expansion_factor": 2,
        "conv_kernel_size": 7,
        "time_reduce_idx": 1,
    },
    "squeezeformer_abs": {
        "_target_": f"{MODULES}.SqueezeformerEncoder",
        "n_layers": 3,
        "d_model": 16,
        "feat_out": 12,
        "n_heads": 2,
        "subsampling": "striding",
        "subsampling_conv_channels": 4,
        "self_attention_model": "abs_pos",
        "att_context_size": [4, 2],
        "ff_expansion_factor": 1,
        "conv_kernel_size": 5,
        "conv_norm_type": "layer_norm",
        "time_reduce_idx": 0,
        "time_recovery_idx": 1,
    },
    "lstm_ctc": {
        "_target_": f"{MODULES}.RNNEncoder",
        "n_layers": 2,
        "d_model": 24,
        "proj_size": 16,
        "bidirectional": True,
        "subsampling": "stacking",
        "subsampling_factor": 4,
    },
    "lstm_rnnt": {
        "_target_": f"{MODULES}.RNNEncoder",
        "n_layers": 2,
        "d_model": 24,
        "proj_size": 16,
        "bidirectional": False,
        "subsampling": "striding",
        "subsampling_factor": 4,
        "subsampling_conv_channels": 4,
    },
    "carnelinet": {
        "_target_": f"{MODULES}.ParallelConvASREncoder",
        "activation": "swish",
        "init_mode": "tds_uniform",
        "jasper": [
            BLOCK | {"stride": [2], "residual": True, "residual_mode": "stride_add", "stride_last": True, "repeat": 2},
            BLOCK | {"kernel": [3, 7], "residual": True, "se": True, "se_reduction_ratio": 4, "se_repeat": False},
            BLOCK
            | {"filters": 12, "kernel": [5, 3, 9], "repeat": 2, "parallel_residual_mode": "conv"}
            | {"aggregation_mode": "dropout", "block_dropout": 0.2},
            BLOCK | {"filters": 16, "kernel": [1], "separable": False},
        ],
    },
    "transformer_ctc": {
        "_target_": f"{MODULES}.TransformerEncoder",
        "n_layers": 2,
        "d_model": 32,
        "n_heads": 2,
        "ff_expansion": 1.5,
        "qk_norm": True,
    },
    "transformer_abs": {
        "_target_": f"{MODULES}.TransformerEncoder",
        "n_layers": 2,
        "d_model": 32,
        "n_heads": 2,
        "ff_expansion": 1.0,
        "feat_out": 12,
        "subsampling": "stacking_norm",
        "qkv_bias": True,
        "pre_block_norm": False,
        "self_attention_model": "abs_pos",
        "xscaling": True,
        "attn_mode": "causal",
    },
    "adapters_ctc": CONFORMER | {"_target_": f"{MODULES}.conformer_encoder.ConformerEncoderAdapter"},
    "jasper_adapters_ctc": {
        "_target_": f"{MODULES}.conv_asr.ConvASREncoderAdapter",
        "activation": "relu",
        "jasper": [
            BLOCK | {"stride": [2]},
            BLOCK | {"filters": 12, "residual": True, "repeat": 2},
            BLOCK | {"residual": True, "se": True, "se_reduction_ratio": 4},
        ],
    },
    "adapters_rnnt": CONFORMER | {"_target_": f"{MODULES}.conformer_encoder.ConformerEncoderAdapter", "n_layers": 1},
    "lstm_head_ctc": CONFORMER | {"n_layers": 1},
    "hat_rnnt": CONFORMER | {"n_layers": 1},
}
ADAPTERS = "nemo.collections.asr.parts.submodules.adapters.multi_head_attention_adapter_module"
# Applied in this order; those that attend before those that are linear, wherever they are.
LINEAR = {"_target_": "nemo.collections.common.parts.adapter_modules.LinearAdapter", "in_features": 16, "dim": 6}
ADDED = {
    "german": LINEAR,
    "noise": {"_target_": f"{ADAPTERS}.RelPositionMultiHeadAttentionAdapter", "n_feat": 16, "n_head": 2, "proj_dim": 8},
    "far": {"_target_": f"{ADAPTERS}.MultiHeadAttentionAdapter", "n_feat": 16, "n_head": 4, "proj_dim": -1},
    "music": {"_target_": f"{ADAPTERS}.MultiHeadAttentionAdapter", "n_feat": 16, "n_head": 2, "enabled": False},
}


# For each model, its adapters with the part of the model before the colon.
ADAPTERS_OF = {
    "adapters_ctc": ADDED,
    "jasper_adapters_ctc": {"german": LINEAR | {"in_features": 8}, "far": LINEAR | {"in_features": 8, "dim": 3}},
    "adapters_rnnt": {
        "german": LINEAR,
        "decoder:texts": LINEAR | {"in_features": 12, "dim": 5},
        "joint:noise": LINEAR | {"in_features": 12, "dim": 4},
        "joint:music": LINEAR | {"in_features": 12, "dim": 3},
    },
}


def add_squeezeformer() -> None:
    """Adds the Squeezeformer encoder of NeMo 2 to NeMo 3."""
    import nemo.collections.asr.modules as modules
    import nemo.collections.asr.parts.submodules.subsampling as subsampling

    old = Path(os.environ["NEMO_2"]) / "nemo/collections/asr"

    def load(file: str, name: str):
        spec = importlib.util.spec_from_file_location(name, old / file)
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    parts = "nemo.collections.asr.parts.submodules"
    subsampling.TimeReductionModule = load("parts/submodules/subsampling.py", "subsampling_2").TimeReductionModule
    load("parts/submodules/squeezeformer_modules.py", f"{parts}.squeezeformer_modules")
    encoder = load("modules/squeezeformer_encoder.py", f"{MODULES}.squeezeformer_encoder")
    modules.SqueezeformerEncoder = encoder.SqueezeformerEncoder


def build(name: str):
    """Builds the model, in evaluation mode, without any parameter at its initial value."""
    from nemo.collections.asr.models import EncDecCTCModel, EncDecRNNTModel

    torch.manual_seed(5)
    encoder = ENCODERS[name] | {"feat_in": PREPROCESSOR["features"]}
    width = encoder["jasper"][-1]["filters"] if "jasper" in encoder else encoder.get("proj_size") or encoder["d_model"]
    width = max(encoder.get("feat_out", -1), 0) or width
    config = {"sample_rate": 16000, "labels": LABELS, "preprocessor": PREPROCESSOR, "encoder": encoder}
    if name.endswith("rnnt"):
        hat = name.startswith("hat")
        prednet = {"pred_hidden": 12, "pred_rnn_layers": 2, "t_max": None, "dropout": 0.1}
        prednet |= {} if hat else {"rnn_hidden_size": 20}
        config["decoder"] = {"_target_": f"{MODULES}.RNNTDecoder", "vocab_size": len(LABELS), "prednet": prednet}
        jointnet = {
            "joint_hidden": 12,
            "activation": "relu",
            "dropout": 0.1,
            "encoder_hidden": width,
            "pred_hidden": 12,
        }
        joint = "HATJoint" if hat else "RNNTJoint"
        config["joint"] = {"_target_": f"{MODULES}.{joint}", "num_classes": len(LABELS), "jointnet": jointnet}
        config["joint"]["vocabulary"] = LABELS
        # NeMo's batched search does not support an LSTM whose cells are wider than its output.
        config["decoding"] = {"strategy": "greedy", "greedy": {"max_symbols": 10}}
        config["loss"] = {"loss_name": "default"}
        config["model_defaults"] = {"enc_hidden": width, "pred_hidden": 12}
        model = EncDecRNNTModel(OmegaConf.create(config))
    else:
        config["decoder"] = {
            "_target_": f"{MODULES}.ConvASRDecoder",
            "feat_in": width,
            "num_classes": len(LABELS),
            "vocabulary": LABELS,
        }
        if name == "lstm_head_ctc":
            config["decoder"] |= {"_target_": f"{MODULES}.LSTMDecoder"}
            config["decoder"] |= {"lstm_hidden_size": 10, "num_layers": 2, "bidirectional": True}
        model = EncDecCTCModel(OmegaConf.create(config))
    for adapter, options in ADAPTERS_OF.get(name, {}).items():
        model.add_adapter(
            adapter, OmegaConf.create({"dropout_rate": 0.0} | options if "n_head" in options else options)
        )
    randomize(model)
    # The attention of NeMo's Transformer has no gradient on a CPU.
    return model.requires_grad_(not name.startswith("transformer")).eval()


def randomize(model) -> None:
    """Moves every parameter and statistic off its initial value."""
    noise = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if not value.is_floating_point() or FIXED.search(key):
                continue
            centre, spread = (1.0, 0.2) if value.ndim == 1 and value.mean() > 0.5 else (0.0, 0.1)
            value.copy_((value if centre == 0.0 else centre) + spread * torch.randn(value.shape, generator=noise))
            if key.endswith("running_var"):
                value.abs_().add_(0.1)
        if hasattr(model, "joint"):
            for part in (model.joint.enc, model.joint.pred, model.joint.joint_net[-1]):
                part.weight *= 4


def balance(model, features: torch.Tensor) -> None:
    """Adjusts the blank's bias so that it wins half of the time; else there would be no tokens, or only tokens."""
    model.joint.log_softmax = False
    tokens, blank = model.decoder.vocab_size, model.decoding.blank_id
    with torch.no_grad():
        encoded, _ = model.encoder(audio_signal=features[:1], length=torch.tensor([features.shape[-1]]))
        predicted, _, _ = model.decoder(targets=torch.arange(28)[None], target_length=torch.tensor([28]))
        logits = model.joint.joint(encoded.transpose(1, 2), predicted.transpose(1, 2))
        margin = (logits[..., blank] - logits[..., :tokens].amax(-1)).median()
        if hasattr(model.joint, "blank_pred"):  # a HAT has a layer for the blank, before a sigmoid
            model.joint.blank_pred[-2].bias -= margin
        else:
            model.joint.joint_net[-1].bias[blank] -= margin
    model.joint.log_softmax = None
