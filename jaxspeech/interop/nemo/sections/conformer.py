"""The Conformer encoder: arguments of the peer's class, their defaults, and the fields they become here."""

from typing import Any

from jaxspeech.interop.nemo.arguments import (
    Required,
    Row,
    Section,
    among,
    flag,
    integer,
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


def _conv_norm_type(value: tuple[str, int]) -> str:
    kind, groups = value
    return f"{kind}_norm{groups if kind == 'group' else ''}"


def _gathered(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"conv_norm": (fields["conv_norm"], fields["conv_groups"])}


def _pair(value: Any) -> list[int]:
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(part) is int for part in value):
        return list(value)
    raise ValueError("must be one pair of frames, [left, right]")


def _conv_context(value: Any) -> Any:
    return value if value == "causal" else optional(_pair)(value)


def _position(value: Any) -> int:
    return -1 if value is None else integer(-1, 512)(value)


CONFORMER = Section(
    "fastconformer",
    (
        Row("n_layers", "num_layers", Required, integer(1, 512)),
        Row("d_model", "width", Required, size),
        Row("n_heads", "num_heads", 4, size),
        Row("feat_out", "output_width", -1, optional(integer(-1, 1 << 14)), lambda width: width or -1),
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
        Row("conv_norm_type", "conv_norm", "batch_norm", _conv_norm, _conv_norm_type),
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
    gather=_gathered,
)
