"""Where the weights of the Transformer encoder are."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.conformer import OUTPUT_PROJECTION, subsampling_rows
from jaxspeech.interop.nemo.weights.rows import Row, dense, linear, norm, same

_PEER, _OURS = "encoder.layers.{i}", "params/encoder/layers_{i}"
LAYER = [
    *norm(f"{_PEER}.norm1", f"{_OURS}/norm_attention"),
    *linear(f"{_PEER}.attn.w_qkv", f"{_OURS}/attention/qkv"),
    *linear(f"{_PEER}.attn.out_proj", f"{_OURS}/attention/out"),
    *norm(f"{_PEER}.attn.q_norm", f"{_OURS}/attention/norm_query"),
    *norm(f"{_PEER}.attn.k_norm", f"{_OURS}/attention/norm_key"),
    *norm(f"{_PEER}.norm2", f"{_OURS}/norm_ff"),
    *linear(f"{_PEER}.ffn.net.0", f"{_OURS}/ff/up"),
    *linear(f"{_PEER}.ffn.net.3", f"{_OURS}/ff/down"),
]
RELATIVE_POSITIONS = [
    Row(f"{_PEER}.attn.linear_pos.weight", f"{_OURS}/attention/position/kernel", dense),
    *[Row(f"{_PEER}.attn.pos_bias_{n}", f"{_OURS}/attention/bias_{n}", same) for n in "uv"],
]


def transformer_rows(encoder: Mapping[str, Any]) -> list[Row]:
    """The rows that a Transformer's configuration calls for."""
    rows = [*LAYER, *norm("encoder.final_norm", "params/encoder/norm_out"), *subsampling_rows(encoder)]
    if encoder["attention"] == "rel_pos":
        rows += RELATIVE_POSITIONS
    if encoder["norm_in"]:
        rows += norm("encoder.embed_norm", "params/encoder/norm_in")
    return rows + (OUTPUT_PROJECTION if encoder["output_width"] else [])
