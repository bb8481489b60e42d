"""The table of the Squeezeformer encoder: arguments of NeMo's class, their defaults, and our fields for them."""

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
from jaxspeech.interop.nemo.sections.conformer import pair


def _finish(encoder: dict[str, Any]) -> None:
    finish_widths(encoder)
    # NeMo's batch norms count the padding.
    encoder["norm_over_padding"] = True


SQUEEZEFORMER = Section(
    "squeezeformer",
    (
        Argument("n_layers", "num_layers", Required, integer(1, 512)),
        Argument("d_model", "width", Required, size),
        Argument("n_heads", "num_heads", 4, size),
        Argument("feat_out", "output_width", -1, optional(integer(-1, 1 << 14)), lambda width: width or -1),
        Argument("time_reduce_idx", "reduce_at", None, optional(integer(0, 511))),
        Argument("time_recovery_idx", "recover_at", None, optional(integer(0, 511))),
        Argument("subsampling", "subsampling", "dw_striding", among("dw_striding", "striding", "stacking")),
        Argument("subsampling_factor", "subsampling_factor", 4, integer(1, 64)),
        Argument("subsampling_conv_channels", "subsampling_channels", -1, integer(-1, 1 << 14)),
        Argument("ff_expansion_factor", "ff_expansion", 4, integer(1, 64)),
        Argument("self_attention_model", "attention", "rel_pos", among("rel_pos", "abs_pos")),
        Argument("att_context_size", "attention_context", (-1, -1), lambda value: pair(value or (-1, -1))),
        Argument("xscaling", "xscaling", True, flag),
        Argument("untie_biases", "untied_biases", True, flag),
        Argument("conv_kernel_size", "conv_kernel", 31, integer(1, 1024)),
        Argument(
            "conv_norm_type",
            "conv_norm",
            "batch_norm",
            lambda norm: among("batch_norm", "layer_norm")(norm).removesuffix("_norm"),
            lambda norm: f"{norm}_norm",
        ),
        Argument("dropout", "dropout", 0.1, share),
        Argument("dropout_emb", "dropout_emb", 0.1, share),
        Argument("dropout_att", "dropout_att", 0.0, share),
        only("adaptive_scale", True),
    ),
    # Memory and speed only; feat_in follows from the features.
    frozenset({"feat_in", "pos_emb_max_len"}),
    finish=_finish,
)
