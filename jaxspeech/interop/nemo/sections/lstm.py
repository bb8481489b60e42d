"""The table of the LSTM encoder: arguments of NeMo's class, their defaults, and our fields for them."""

from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    only,
    share,
    size,
)


def _finish(encoder: dict[str, Any]) -> None:
    if encoder["width"] >= encoder["cell_width"] * (2 if encoder["bidirectional"] else 1):
        raise ValueError(f"proj_size {encoder['width']} is too large for d_model {encoder['cell_width']}")
    if encoder["bidirectional"] and encoder["width"] % 2:
        raise ValueError(f"proj_size {encoder['width']} cannot be split into two directions")
    if encoder["subsampling_channels"] == -1:
        encoder["subsampling_channels"] = encoder["width"]
    encoder["frames_after"] = 1 if encoder["bidirectional"] else 0


LSTM = Section(
    "lstm",
    (
        Argument("n_layers", "num_layers", Required, integer(1, 512)),
        Argument("d_model", "cell_width", Required, size),
        Argument("proj_size", "width", Required, size),
        Argument("bidirectional", "bidirectional", True, flag),
        Argument(
            "subsampling", "subsampling", "striding", among("striding", "dw_striding", "stacking", "stacking_norm")
        ),
        Argument("subsampling_factor", "subsampling_factor", 4, integer(1, 64)),
        Argument("subsampling_conv_channels", "subsampling_channels", -1, integer(-1, 1 << 14)),
        Argument("dropout", "dropout", 0.2, share),
        only("rnn_type", "lstm"),
    ),
    frozenset({"feat_in"}),
    finish=_finish,
)
