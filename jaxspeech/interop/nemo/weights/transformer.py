"""NeMo's tensors of the Transformer encoder, and our variables for them."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.conformer import OUTPUT_PROJECTION, subsampling_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, linear, norm, same

_NEMO, _OURS = "encoder.layers.{i}", "params/encoder/layers_{i}"
LAYER = [
    *norm(f"{_NEMO}.norm1", f"{_OURS}/norm_attention"),
    *linear(f"{_NEMO}.attn.w_qkv", f"{_OURS}/attention/qkv"),
    *linear(f"{_NEMO}.attn.out_proj", f"{_OURS}/attention/out"),
    *norm(f"{_NEMO}.attn.q_norm", f"{_OURS}/attention/norm_query"),
    *norm(f"{_NEMO}.attn.k_norm", f"{_OURS}/attention/norm_key"),
    *norm(f"{_NEMO}.norm2", f"{_OURS}/norm_ff"),
    *linear(f"{_NEMO}.ffn.net.0", f"{_OURS}/ff/up"),
    *linear(f"{_NEMO}.ffn.net.3", f"{_OURS}/ff/down"),
]
RELATIVE_POSITIONS = [
    TensorRow(f"{_NEMO}.attn.linear_pos.weight", f"{_OURS}/attention/position/kernel", dense),
    *[TensorRow(f"{_NEMO}.attn.pos_bias_{n}", f"{_OURS}/attention/bias_{n}", same) for n in "uv"],
]


def transformer_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for a Transformer's configuration."""
    rows = [*LAYER, *norm("encoder.final_norm", "params/encoder/norm_out"), *subsampling_rows(encoder)]
    if encoder["attention"] == "rel_pos":
        rows += RELATIVE_POSITIONS
    if encoder["norm_in"]:
        rows += norm("encoder.embed_norm", "params/encoder/norm_in")
    return rows + (OUTPUT_PROJECTION if encoder["output_width"] else [])
