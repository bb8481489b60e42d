"""The table of the Conformer encoder: arguments of NeMo's class, their defaults, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    finish_widths,
    flag,
    integer,
    only,
    optional,
    share,
    size,
)

# The att_context_style of unified models.
UNIFIED = "chunked_limited_with_rc"


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


def pair(value: Any) -> list[int]:
    """Accepts two integers, as a list or tuple."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(type(part) is int for part in value):
        return list(value)
    raise ValueError("must be one pair of frames, [left, right]")


def _contexts(value: Any) -> list[Any]:
    """Accepts one pair of frames, a list of pairs, or (left, chunk, right), which `finish` admits or not."""
    several = isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], (list, tuple))
    if isinstance(value, (list, tuple)) and len(value) == 3 and all(type(part) is int for part in value):
        return list(value)
    return [pair(part) for part in value] if several else pair(value or (-1, -1))


def _chunk_contexts(value: Any) -> list[list[int]]:
    """Accepts three lists of frames: on the left, of a chunk, on the right."""
    if isinstance(value, (list, tuple)) and len(value) == 3:
        lists = [list(sizes) if isinstance(sizes, (list, tuple)) else [] for sizes in value]
        if all(0 < len(sizes) <= 64 for sizes in lists):
            return [
                [integer(low, 1 << 14)(size) for size in sizes] for sizes, low in zip(lists, (0, 1, 0), strict=True)
            ]
    raise ValueError("must be three lists of frames, [left ones], [chunks], [right ones]")


# NeMo's name of each kind of attention -> ours.
ATTENTION = {"rel_pos": "rel_pos", "abs_pos": "abs_pos", "rel_pos_local_attn": "rel_pos_local"}


def _attention(value: Any) -> str:
    return ATTENTION[among(*ATTENTION)(value)]


def _self_attention_model(attention: str) -> str:
    return next(nemo for nemo, ours in ATTENTION.items() if ours == attention)


def _weights(value: Any) -> list[float] | None:
    return [share(part) for part in value] if value else None


def _conv_context(value: Any) -> Any:
    return value if value == "causal" else optional(pair)(value)


def _position(value: Any) -> int:
    return -1 if value is None else integer(-1, 512)(value)


def finish(encoder: dict[str, Any]) -> None:
    """Sets the fields that depend on others."""
    finish_widths(encoder)
    encoder["conv_norm"], encoder["conv_groups"] = encoder["conv_norm"]
    if encoder["conv_context"] == "causal":
        encoder["conv_context"] = [encoder["conv_kernel"] - 1, 0]
    if encoder["reduction_factor"] == 1:
        encoder["reduction"] = None
    if encoder["attention"] == "rel_pos_local":
        encoder["untied_biases"] = True  # NeMo ties them for rel_pos only
        context = encoder["attention_context"]
        if context[0] != context[-1]:
            # In this case NeMo adds the position scores to different columns, partly to masked ones.
            raise ValueError(f"att_context_size {context} (local attention needs the same context on both sides)")
    if encoder["attention_style"] == UNIFIED:
        encoder["attention_context"] = [-1, -1]  # whatever the file says, NeMo begins with the whole recording
    elif len(encoder["attention_context"]) == 3 and isinstance(encoder["attention_context"][0], int):
        raise ValueError(f"att_context_size {encoder['attention_context']} (must be one pair of frames, [left, right])")
    elif encoder["attention_chunk_context"] is not None:
        raise ValueError(f"att_chunk_context_size (only the att_context_style {UNIFIED!r} has it)")
    # NeMo's batch and group norms count the padding.
    encoder["norm_over_padding"] = True


CONFORMER = Section(
    "fastconformer",
    (
        Argument("n_layers", "num_layers", Required, integer(1, 512)),
        Argument("d_model", "width", Required, size),
        Argument("n_heads", "num_heads", 4, size),
        Argument("feat_out", "output_width", -1, optional(integer(-1, 1 << 14)), lambda width: width or -1),
        Argument(
            "subsampling", "subsampling", "striding", among("dw_striding", "striding", "stacking", "stacking_norm")
        ),
        Argument("subsampling_factor", "subsampling_factor", 4, integer(1, 64)),
        Argument("subsampling_conv_channels", "subsampling_channels", -1, integer(-1, 1 << 14)),
        Argument("causal_downsampling", "causal_subsampling", False, flag),
        Argument("reduction", "reduction", None, among(None, "striding", "pooling")),
        Argument("reduction_position", "reduction_position", -1, _position),
        Argument("reduction_factor", "reduction_factor", 1, integer(1, 64)),
        Argument("ff_expansion_factor", "ff_expansion", 4, integer(1, 64)),
        Argument("self_attention_model", "attention", "rel_pos", _attention, _self_attention_model),
        Argument("att_context_size", "attention_context", (-1, -1), _contexts),
        Argument("att_context_probs", "attention_context_weights", None, _weights),
        Argument("att_context_style", "attention_style", "regular", among("regular", "chunked_limited", UNIFIED)),
        Argument("att_chunk_context_size", "attention_chunk_context", None, optional(_chunk_contexts)),
        Argument("xscaling", "xscaling", True, flag),
        Argument("untie_biases", "untied_biases", True, flag),
        Argument("use_bias", "use_bias", True, flag),
        Argument("conv_kernel_size", "conv_kernel", 31, integer(1, 1024)),
        Argument("conv_context_size", "conv_context", None, _conv_context),
        Argument("conv_norm_type", "conv_norm", "batch_norm", _conv_norm, _conv_norm_type),
        Argument("dropout", "dropout", 0.1, share),
        Argument("dropout_pre_encoder", "dropout_pre_encoder", 0.1, share),
        Argument("dropout_emb", "dropout_emb", 0.1, share),
        Argument("dropout_att", "dropout_att", 0.0, share),
        Argument("stochastic_depth_drop_prob", "stochastic_depth", 0.0, share),
        Argument("stochastic_depth_mode", "stochastic_depth_mode", "linear", among("linear", "uniform")),
        Argument("stochastic_depth_start_layer", "stochastic_depth_start", 1, integer(1, 512)),
        Argument("conv_context_style", "conv_context_style", "regular", among("regular", "dcc")),
        only("conv_dual_mode", False),
        Argument("global_tokens", "global_frames", 0, integer(0, 1 << 14)),
        Argument("global_tokens_spacing", "global_spacing", 1, integer(1, 1 << 14)),
        Argument("global_attn_separate", "global_projections", False, flag),
    ),
    # Memory and speed only; feat_in follows from the features.
    frozenset(
        {
            "feat_in",
            "pos_emb_max_len",
            "subsampling_conv_chunking_factor",
            "use_pytorch_sdpa",
            "use_pytorch_sdpa_backends",
            "sync_max_audio_length",
        }
    ),
    finish=finish,
    gather=_gathered,
    fits=lambda fields: not (fields.get("adapters") or fields.get("adapter_width")),
)
# The class of encoders that have adapters, or once had some.
ADAPTED_CONFORMER = CONFORMER._replace(
    fits=lambda fields: True, package="nemo.collections.asr.modules.conformer_encoder"
)
