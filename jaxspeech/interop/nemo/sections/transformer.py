"""The table of the Transformer encoder: arguments of NeMo's class, their defaults, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Section,
    among,
    finish_widths,
    flag,
    integer,
    number,
    optional,
    share,
    size,
)

# NeMo's names -> ours.
ATTENTION = {"rel_pos": "rel_pos", "abs_pos": "abs_pos", "no_pos": "none"}
CONTEXTS = {"full": [-1, -1], "causal": [-1, 0]}


def _attention(value: Any) -> str:
    return "none" if value is None else ATTENTION[among(*ATTENTION)(value)]


def _context(value: Any) -> list[int]:
    return CONTEXTS[among(*CONTEXTS)(value)]


def _attention_mode(context: Any) -> str:
    for name, ours in CONTEXTS.items():
        if list(context) == ours:
            return name
    raise ValueError("must be [-1, -1] or [-1, 0]")


def _finish(encoder: dict[str, Any]) -> None:
    finish_widths(encoder)
    if encoder["dropout_pre_encoder"] is None:
        encoder["dropout_pre_encoder"] = encoder["dropout"]


TRANSFORMER = Section(
    "transformer",
    (
        Argument("n_layers", "num_layers", 17, integer(1, 512)),
        Argument("d_model", "width", 512, size),
        Argument("n_heads", "num_heads", 8, size),
        Argument("feat_out", "output_width", -1, integer(-1, 1 << 14), lambda width: width or -1),
        Argument(
            "subsampling", "subsampling", "feature_stacking", among("feature_stacking", "stacking", "stacking_norm")
        ),
        Argument("subsampling_factor", "subsampling_factor", 4, integer(1, 64)),
        Argument("ff_expansion", "ff_expansion", 4.0, number(0, 64)),
        Argument(
            "self_attention_model",
            "attention",
            "rel_pos",
            _attention,
            lambda attention: next(nemo for nemo, ours in ATTENTION.items() if ours == attention),
        ),
        Argument("attn_mode", "attention_context", "full", _context, _attention_mode),
        Argument("qkv_bias", "qkv_bias", False, flag),
        Argument("qk_norm", "qk_norm", False, flag),
        Argument("pre_block_norm", "norm_in", True, flag),
        Argument("xscaling", "xscaling", False, flag),
        Argument("drop_rate", "dropout", 0.1, share),
        Argument("dropout_pre_encoder", "dropout_pre_encoder", None, optional(share)),
        Argument("dropout_emb", "dropout_emb", 0.0, share),
    ),
    frozenset({"feat_in", "pos_emb_max_len", "sync_max_audio_length"}),
    finish=_finish,
)
