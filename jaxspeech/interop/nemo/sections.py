"""The tables of `config`: for each class of the peer its arguments, their defaults, and the fields they become here."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.arguments import (
    Required,
    Row,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    optional,
    share,
    size,
)


def _conv_norm(value: str) -> tuple[str, int]:
    kind, _, groups = value.partition("_norm")
    if kind in ("batch", "layer") and not groups:
        return kind, 1
    if kind == "group" and groups.isdigit():
        return kind, int(groups)
    raise ValueError("can be 'batch_norm', 'layer_norm', 'group_norm' and a number")


def _pair(value: Any) -> list[int]:
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(part) is int for part in value):
        return list(value)
    raise ValueError("must be one pair of frames, [left, right]")


def _guard(value: Any) -> float:
    return float(getattr(np.finfo(np.float32), value)) if value in ("tiny", "eps") else number(0, 1e9)(value)


def _mask_width(value: Any) -> int | float:
    return value if type(value) is int and value >= 0 else share(value)


def _conv_context(value: Any) -> Any:
    return value if value == "causal" else optional(_pair)(value)


def _window(value: Any) -> str:
    return among("hann", "hamming", "blackman", "bartlett", "none")(value or "none")


def _mel_norm(value: Any) -> str:
    return among("slaney", "none")(value or "none")


def _position(value: Any) -> int:
    return -1 if value is None else integer(-1, 512)(value)


def _normalization(value: Any) -> str:
    if isinstance(value, Mapping):
        raise ValueError("fixed means and deviations are not supported")
    return value if value in ("per_feature", "all_features") else "none"


MEL = Section(
    "mel",
    (
        Row("sample_rate", "sample_rate", 16000, integer(1000, 400_000)),
        Row("window_size", "window_seconds", 0.02, number(0.001, 1)),
        Row("window_stride", "hop_seconds", 0.01, number(0.001, 1)),
        Row("window", "window", "hann", _window),
        Row("normalize", "normalize", "per_feature", _normalization),
        Row("n_fft", "fft_size", None, optional(size)),
        Row("preemph", "preemphasis", 0.97, optional(share)),
        Row("features", "num_mels", 64, integer(1, 1024)),
        Row("lowfreq", "low_hz", 0, number(0, 200_000)),
        Row("highfreq", "high_hz", None, optional(number(0, 200_000))),
        Row("log", "log", True, flag),
        Row("log_zero_guard_type", "log_guard", "add", among("add", "clamp")),
        Row("log_zero_guard_value", "log_guard_value", 2**-24, _guard),
        Row("dither", "dither", 1e-5, number(0, 1)),
        Row("pad_to", "pad_to", 16, lambda value: max(integer(-1, 1 << 14)(value), 0)),
        Row("pad_value", "pad_value", 0, number(-1e9, 1e9)),
        Row("frame_splicing", "frame_splicing", 1, integer(1, 64)),
        Row("exact_pad", "exact_pad", False, flag),
        Row("mag_power", "mag_power", 2.0, number(0, 10)),
        Row("mel_norm", "mel_norm", "slaney", _mel_norm),
        only("n_window_size", None),
        only("n_window_stride", None),
        only("nb_augmentation_prob", 0.0),
    ),
    frozenset({"rng", "nb_max_freq", "use_torchaudio", "stft_exact_pad", "stft_conv"}),
)

SPEC_AUGMENT = Section(
    "",
    (
        Row("freq_masks", "freq_masks", 0, integer(0, 1000)),
        Row("freq_width", "freq_width", 10, integer(0, 1000)),
        Row("time_masks", "time_masks", 0, integer(0, 1000)),
        Row("time_width", "time_width", 10, _mask_width),
        Row("rect_masks", "cutout_masks", 0, integer(0, 1000)),
        Row("rect_freq", "cutout_freq_width", 20, integer(0, 1000)),
        Row("rect_time", "cutout_time_width", 5, integer(0, 1 << 14)),
        Row("mask_value", "mask_value", 0.0, number(-1e9, 1e9)),
    ),
    frozenset({"rng", "use_vectorized_spec_augment", "use_numba_spec_augment"}),
)

CONFORMER = Section(
    "fastconformer",
    (
        Row("n_layers", "num_layers", Required, integer(1, 512)),
        Row("d_model", "width", Required, size),
        Row("n_heads", "num_heads", 4, size),
        Row("feat_out", "output_width", -1, optional(integer(-1, 1 << 14))),
        Row("subsampling", "subsampling", "striding", among("dw_striding", "striding", "stacking", "stacking_norm")),
        Row("subsampling_factor", "subsampling_factor", 4, integer(1, 64)),
        Row("subsampling_conv_channels", "subsampling_channels", -1, integer(-1, 1 << 14)),
        Row("causal_downsampling", "causal_subsampling", False, flag),
        Row("reduction", "reduction", None, among(None, "striding", "pooling")),
        Row("reduction_position", "reduction_position", -1, _position),
        Row("reduction_factor", "reduction_factor", 1, integer(1, 64)),
        Row("ff_expansion_factor", "ff_expansion", 4, integer(1, 64)),
        Row("self_attention_model", "attention", "rel_pos", among("rel_pos", "abs_pos")),
        Row("att_context_size", "attention_context", (-1, -1), lambda value: _pair(value or (-1, -1))),
        Row("att_context_style", "attention_style", "regular", among("regular", "chunked_limited")),
        Row("xscaling", "xscaling", True, flag),
        Row("untie_biases", "untied_biases", True, flag),
        Row("use_bias", "use_bias", True, flag),
        Row("conv_kernel_size", "conv_kernel", 31, integer(1, 1024)),
        Row("conv_context_size", "conv_context", None, _conv_context),
        Row("conv_norm_type", "conv_norm", "batch_norm", _conv_norm),
        Row("dropout", "dropout", 0.1, share),
        Row("dropout_pre_encoder", "dropout_pre_encoder", 0.1, share),
        Row("dropout_emb", "dropout_emb", 0.1, share),
        Row("dropout_att", "dropout_att", 0.0, share),
        Row("stochastic_depth_drop_prob", "stochastic_depth", 0.0, share),
        Row("stochastic_depth_mode", "stochastic_depth_mode", "linear", among("linear", "uniform")),
        Row("stochastic_depth_start_layer", "stochastic_depth_start", 1, integer(1, 512)),
        only("att_chunk_context_size", None),
        only("conv_context_style", "regular"),
        only("conv_dual_mode", False),
        only("global_tokens", 0),
    ),
    # Memory and speed; feat_in shows in the weights, att_context_probs and the like matter with others only.
    frozenset(
        {
            "feat_in",
            "pos_emb_max_len",
            "subsampling_conv_chunking_factor",
            "use_pytorch_sdpa",
            "use_pytorch_sdpa_backends",
            "sync_max_audio_length",
            "global_tokens_spacing",
            "global_attn_separate",
            "att_context_probs",
        }
    ),
)

CTC_HEAD = Section(
    "ctc",
    (Row("num_classes", "vocab_size", Required, integer(-1, 1 << 20)), only("add_blank", True)),
    frozenset({"feat_in", "vocabulary", "init_mode"}),
)

# The peer keeps the sizes of the two parts in sections of their own.
LSTM_PREDICTION = Section(
    "transducer",
    (
        Row("vocab_size", "vocab_size", Required, integer(1, 1 << 20)),
        Row("prednet.pred_hidden", "width", Required, size),
        Row("prednet.pred_rnn_layers", "num_layers", Required, integer(1, 64)),
        Row("prednet.dropout", "dropout", 0.0, lambda value: share(value or 0)),
        only("normalization_mode", None),
        only("random_state_sampling", False),
        only("blank_as_pad", True),
        only("prednet.rnn_hidden_size", -1),
    ),
    # How the weights start.
    frozenset(
        {
            "prednet.t_max",
            "prednet.forget_gate_bias",
            "prednet.weights_init_scale",
            "prednet.hidden_hidden_bias_scale",
        }
    ),
    settles=(("prediction", "lstm"),),
)
STATELESS_PREDICTION = Section(
    "transducer",
    (
        Row("vocab_size", "vocab_size", Required, integer(1, 1 << 20)),
        Row("context_size", "context", 1, integer(1, 64)),
        Row("prednet.pred_hidden", "width", Required, size),
        Row("prednet.dropout", "dropout", 0.0, lambda value: share(value or 0)),
        Row("normalization_mode", "context_norm", None, lambda value: among("layer", "none")(value or "none")),
    ),
    frozenset({"prednet.pred_rnn_layers", "prednet.t_max"}),
    settles=(("prediction", "stateless"),),
)
JOINT = Section(
    "",
    (
        Row("jointnet.joint_hidden", "joint_width", Required, size),
        Row("jointnet.activation", "activation", Required, among("relu", "tanh", "sigmoid")),
        Row("jointnet.dropout", "joint_dropout", 0.0, lambda value: share(value or 0)),
        Row("num_extra_outputs", "extra_outputs", 0, integer(0, 1024)),
        only("masking_prob", -1, -1.0),
    ),
    # Whether logits are normalised does not matter to us; the rest is memory and speed, or shows in the weights.
    frozenset(
        {
            "jointnet.encoder_hidden",
            "jointnet.pred_hidden",
            "num_classes",
            "vocabulary",
            "log_softmax",
            "preserve_memory",
            "fuse_loss_wer",
            "fused_batch_size",
            "experimental_fuse_loss_wer",
        }
    ),
)


def _frames(value: Any) -> list[int]:
    if (
        isinstance(value, (list, tuple))
        and 0 < len(value) <= 64
        and all(integer(0, 1 << 14)(part) >= 0 for part in value)
    ):
        return list(value)
    raise ValueError("must be a list of numbers of frames")


_LOSS = (
    Row("fastemit_lambda", "fastemit", 0.0, number(0, 1000)),
    Row("clamp", "clamp", -1.0, number(-1e9, 1e9)),
)
# By `loss_name`; the section of its arguments is called so, with _kwargs behind it.
LOSSES = {
    "default": ("warprnnt_numba_kwargs", Section("", _LOSS)),
    "warprnnt_numba": ("warprnnt_numba_kwargs", Section("", _LOSS)),
    "tdt": (
        "tdt_kwargs",
        Section(
            "",
            (
                *_LOSS,
                Row("durations", "durations", Required, _frames),
                Row("sigma", "sigma", 0.0, number(0, 100)),
                Row("omega", "omega", 0.0, share),
            ),
        ),
    ),
    "multiblank_rnnt": (
        "multiblank_rnnt_kwargs",
        Section(
            "",
            (
                *_LOSS,
                Row("big_blank_durations", "big_blanks", Required, _frames),
                Row("sigma", "sigma", 0.0, number(0, 100)),
            ),
        ),
    ),
}

# By the last part of `_target_`, whatever module of the peer it lived in over the years.
PREPROCESSORS = {"AudioToMelSpectrogramPreprocessor": MEL}
ENCODERS = {"ConformerEncoder": CONFORMER}
DECODERS = {
    "ConvASRDecoder": CTC_HEAD,
    "RNNTDecoder": LSTM_PREDICTION,
    "StatelessTransducerDecoder": STATELESS_PREDICTION,
}
JOINTS = {"RNNTJoint": JOINT}
AUGMENTATIONS = {"SpectrogramAugmentation": SPEC_AUGMENT}
# The peer's model class -> our task.
TASKS = {
    "EncDecCTCModelBPE": "ctc",
    "EncDecCTCModel": "ctc",
    "EncDecRNNTBPEModel": "transducer",
    "EncDecRNNTModel": "transducer",
    "EncDecHybridRNNTCTCBPEModel": "hybrid",
    "EncDecHybridRNNTCTCModel": "hybrid",
}
