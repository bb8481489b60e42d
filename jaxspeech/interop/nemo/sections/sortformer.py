"""The tables of Sortformer: NeMo's Transformer encoder, head with streaming, and loss, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    share,
    size,
)
from jaxspeech.interop.nemo.sections.attention import TRANSFORMERS

TRANSFORMER_LAYERS = Section(
    "sortformer",
    (
        Argument("num_layers", "num_layers", Required, integer(1, 256)),
        Argument("hidden_size", "width", Required, size),
        Argument("inner_size", "hidden_width", Required, size),
        Argument("num_attention_heads", "num_heads", 1, size),
        Argument("hidden_act", "activation", "relu", among("relu", "gelu")),
        Argument("pre_ln", "norm_first", False, flag),
        Argument("pre_ln_final_layer_norm", "norm_last", True, flag),
        Argument("ffn_dropout", "dropout", 0.0, share),
        Argument("attn_score_dropout", "dropout_att", 0.0, share),
        only("mask_future", False),
    ),
    # The dropout of both branches is one.
    frozenset({"attn_layer_dropout"}),
    # NeMo always has the weights of outputs that it does not use.
    settles=(("spare_outputs", True),),
    package=f"{TRANSFORMERS}.transformer_encoders",
)
_frames = integer(0, 1 << 20)
# The sizes of streams.
STREAM = (
    Argument("chunk_len", "chunk", 188, integer(1, 1 << 20)),
    Argument("chunk_left_context", "left", 1, _frames),
    Argument("chunk_right_context", "right", 1, _frames),
    Argument("spkcache_len", "cache", 188, integer(1, 1 << 20)),
    Argument("fifo_len", "queue", 0, _frames),
    Argument("spkcache_update_period", "update", 188, integer(1, 1 << 20)),
    Argument("spkcache_sil_frames_per_spk", "silence", 3, _frames),
    Argument("sil_threshold", "silence_below", 0.2, number(0, 1e6)),
    Argument("pred_score_threshold", "least_probability", 0.25, share),
    Argument("scores_boost_latest", "latest_bonus", 0.05, number(-1e6, 1e6)),
    Argument("strong_boost_rate", "strong_share", 0.75, number(0, 1e6)),
    Argument("weak_boost_rate", "weak_share", 1.5, number(0, 1e6)),
    Argument("min_pos_scores_rate", "clean_share", 0.5, number(0, 1e6)),
    Argument("scores_add_rnd", "noise", 0, number(0, 1e6)),
)
HEAD = Section(
    "",
    (
        Argument("num_spks", "num_speakers", 4, integer(1, 64)),
        Argument("dropout_rate", "dropout_out", 0.5, share),
    ),
    package="nemo.collections.asr.modules.sortformer_modules",
)
HEAD_AND_STREAM = HEAD._replace(
    arguments=HEAD.arguments + STREAM,
    # Sizes that follow from other sections, what training draws at random, and a placeholder.
    without_effect=frozenset(
        {"fc_d_model", "tf_d_model", "subsampling_factor", "causal_attn_rate", "causal_attn_rc", "max_index"}
    ),
)
STREAM_SETTINGS = HEAD._replace(arguments=STREAM)


def _class_normalization(value: Any) -> str:
    return "none" if value is False or value is None else among("class", "binary", "class_binary")(value)


BCE = Section(
    "",
    (
        Argument(
            "class_normalization",
            "class_normalization",
            False,
            _class_normalization,
            lambda value: False if value == "none" else value,
        ),
    ),
    # NeMo uses none of these.
    frozenset({"reduction", "alpha", "weight", "sorted_preds", "sorted_loss"}),
    package="nemo.collections.asr.losses.bce_loss",
)
