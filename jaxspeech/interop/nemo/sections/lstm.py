"""The LSTM encoder: arguments of the peer's class, their defaults, and the fields they become here."""

from typing import Any

from jaxspeech.interop.nemo.arguments import Required, Row, Section, among, flag, integer, only, share, size


def _finish(encoder: dict[str, Any]) -> None:
    if encoder["width"] >= encoder["cell_width"] * (2 if encoder["bidirectional"] else 1):
        raise ValueError(f"proj_size {encoder['width']} is no projection of d_model {encoder['cell_width']}")
    if encoder["bidirectional"] and encoder["width"] % 2:
        raise ValueError(f"proj_size {encoder['width']} cannot be split into two directions")
    if encoder["subsampling_channels"] == -1:
        encoder["subsampling_channels"] = encoder["width"]


LSTM = Section(
    "lstm",
    (
        Row("n_layers", "num_layers", Required, integer(1, 512)),
        Row("d_model", "cell_width", Required, size),
        Row("proj_size", "width", Required, size),
        Row("bidirectional", "bidirectional", True, flag),
        Row("subsampling", "subsampling", "striding", among("striding", "dw_striding", "stacking", "stacking_norm")),
        Row("subsampling_factor", "subsampling_factor", 4, integer(1, 64)),
        Row("subsampling_conv_channels", "subsampling_channels", -1, integer(-1, 1 << 14)),
        Row("dropout", "dropout", 0.2, share),
        only("rnn_type", "lstm"),
    ),
    frozenset({"feat_in"}),
    finish=_finish,
)
