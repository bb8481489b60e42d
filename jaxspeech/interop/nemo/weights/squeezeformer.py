"""NeMo's tensors of the Squeezeformer, and our variables for them: mostly the Conformer's."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.conformer import (
    CONFORMER_LAYER,
    OUTPUT_PROJECTION,
    RELATIVE_POSITIONS,
    RUNNING_STATISTICS,
    TIED_BIASES,
    UNTIED_BIASES,
    subsampling_rows,
)
from jaxspeech.interop.nemo.weights.rows import TensorRow, depthwise, linear, norm, pointwise, same

_NEMO, _OURS = "encoder.layers.{i}", "params/encoder/layers_{i}"
LAYER = [row for row in CONFORMER_LAYER if not row.nemo.startswith(f"{_NEMO}.norm_out.")] + [
    TensorRow(f"{_NEMO}.{nemo}_scale.{name}", f"{_OURS}/scale_{ours}/{name}", same)
    for nemo, ours in (
        ("self_attn", "attention"),
        ("feed_forward1", "ff_in"),
        ("conv", "convolution"),
        ("feed_forward2", "ff_out"),
    )
    for name in ("scale", "bias")
]
REDUCTION = [
    *linear("encoder.time_reduce_layer.dw_conv", "params/encoder/reduction", depthwise),
    *linear("encoder.time_reduce_layer.pw_conv", "params/encoder/reduction_out", pointwise),
    *linear("encoder.time_recovery_layer", "params/encoder/recovery"),
]


def squeezeformer_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for a Squeezeformer's configuration."""
    rows = [*LAYER, *norm("encoder.pre_ln", "params/encoder/norm_in"), *subsampling_rows(encoder)]
    if encoder["attention"] == "rel_pos":
        rows += RELATIVE_POSITIONS + (UNTIED_BIASES if encoder["untied_biases"] else TIED_BIASES)
    if encoder["conv_norm"] == "batch":
        rows += RUNNING_STATISTICS
    if encoder["reduce_at"] is not None:
        rows += REDUCTION
    return rows + (OUTPUT_PROJECTION if encoder["output_width"] else [])
