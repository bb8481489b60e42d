"""NeMo's tensors of the Conformer, and our variables for them."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    conv2d,
    dense,
    depthwise,
    flattened,
    linear,
    linear_adapter_rows,
    norm,
    pointwise,
    pointwise2d,
    same,
)

# Computed here; not every file contains them.
POSITIONS = "encoder.pos_enc.pe"
_NEMO, _OURS = "encoder.layers.{i}", "params/encoder/layers_{i}"
CONFORMER_LAYER = [
    *norm(f"{_NEMO}.norm_feed_forward1", f"{_OURS}/norm_ff_in"),
    *linear(f"{_NEMO}.feed_forward1.linear1", f"{_OURS}/ff_in/up"),
    *linear(f"{_NEMO}.feed_forward1.linear2", f"{_OURS}/ff_in/down"),
    *norm(f"{_NEMO}.norm_self_att", f"{_OURS}/norm_attention"),
    *linear(f"{_NEMO}.self_attn.linear_q", f"{_OURS}/attention/query"),
    *linear(f"{_NEMO}.self_attn.linear_k", f"{_OURS}/attention/key"),
    *linear(f"{_NEMO}.self_attn.linear_v", f"{_OURS}/attention/value"),
    *linear(f"{_NEMO}.self_attn.linear_out", f"{_OURS}/attention/out"),
    *norm(f"{_NEMO}.norm_conv", f"{_OURS}/norm_convolution"),
    *linear(f"{_NEMO}.conv.pointwise_conv1", f"{_OURS}/convolution/pointwise_in", pointwise),
    *linear(f"{_NEMO}.conv.depthwise_conv", f"{_OURS}/convolution/depthwise", depthwise),
    *norm(f"{_NEMO}.conv.batch_norm", f"{_OURS}/convolution/norm"),  # has this name for every kind of norm
    *linear(f"{_NEMO}.conv.pointwise_conv2", f"{_OURS}/convolution/pointwise_out", pointwise),
    *norm(f"{_NEMO}.norm_feed_forward2", f"{_OURS}/norm_ff_out"),
    *linear(f"{_NEMO}.feed_forward2.linear1", f"{_OURS}/ff_out/up"),
    *linear(f"{_NEMO}.feed_forward2.linear2", f"{_OURS}/ff_out/down"),
    *norm(f"{_NEMO}.norm_out", f"{_OURS}/norm_out"),
]
RELATIVE_POSITIONS = [TensorRow(f"{_NEMO}.self_attn.linear_pos.weight", f"{_OURS}/attention/position/kernel", dense)]
UNTIED_BIASES = [TensorRow(f"{_NEMO}.self_attn.pos_bias_{n}", f"{_OURS}/attention/bias_{n}", same) for n in "uv"]
# One pair for all layers, of which NeMo saves a copy in each layer.
TIED_BIASES = [TensorRow(f"{_NEMO}.self_attn.pos_bias_{n}", f"params/encoder/bias_{n}", same) for n in "uv"]
GLOBAL_PROJECTIONS = [
    row
    for nemo, ours in (("q", "query"), ("k", "key"), ("v", "value"))
    for row in linear(f"{_NEMO}.self_attn.global_{nemo}", f"{_OURS}/attention/global_{ours}")
]
RUNNING_STATISTICS = [
    TensorRow(f"{_NEMO}.conv.batch_norm.running_{n}", f"batch_stats/encoder/layers_{{i}}/convolution/norm/{n}", same)
    for n in ("mean", "var")
]
STACKING = linear("encoder.pre_encode.proj_out", "params/encoder/subsampling/out")
STACKING_NORM = norm("encoder.pre_encode.pre_norm", "params/encoder/subsampling/norm")
OUTPUT_PROJECTION = linear("encoder.out_proj", "params/encoder/out")


def strided_convolutions(nemo: str, ours: str, *, factor: int, channels: int, depthwise: bool) -> list[TensorRow]:
    """The rows of convolutions of stride 2 and a projection. NeMo's numbers count the activations between them too."""
    rows = linear(f"{nemo}.out", f"{ours}/out", flattened(channels))
    for i in range(factor.bit_length() - 1):
        if depthwise and i > 0:
            rows += linear(f"{nemo}.conv.{3 * i - 1}", f"{ours}/conv_{i}", conv2d)
            rows += linear(f"{nemo}.conv.{3 * i}", f"{ours}/pointwise_{i}", pointwise2d)
        else:
            rows += linear(f"{nemo}.conv.{2 * i}", f"{ours}/conv_{i}", conv2d)
    return rows


def subsampling_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the subsampling, the first module of an encoder."""
    if encoder["subsampling"] == "feature_stacking":
        return [TensorRow("encoder.pre_encode.proj.weight", "params/encoder/subsampling/out/kernel", dense)]
    if encoder["subsampling_factor"] == 1:
        return linear("encoder.pre_encode", "params/encoder/subsampling")
    match encoder["subsampling"]:
        case "dw_striding" | "striding" as kind:
            return strided_convolutions(
                "encoder.pre_encode",
                "params/encoder/subsampling",
                factor=encoder["subsampling_factor"],
                channels=encoder["subsampling_channels"],
                depthwise=kind == "dw_striding",
            )
        case "stacking_norm":
            return STACKING + STACKING_NORM
    return STACKING


def adapter_rows(name: str, ours: str, kind: str) -> list[TensorRow]:
    """The rows of the adapter `name` of each layer, in our module `ours`."""
    nemo, ours = f"{_NEMO}.adapter_layer.{name}", f"{_OURS}/{ours}"
    if kind == "linear":
        return linear_adapter_rows(nemo, ours)
    rows = norm(f"{nemo}.pre_norm", f"{ours}/norm")
    for theirs, part in (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out")):
        rows += linear(f"{nemo}.linear_{theirs}", f"{ours}/attention/{part}")
    if kind == "relative":
        rows.append(TensorRow(f"{nemo}.linear_pos.weight", f"{ours}/attention/position/kernel", dense))
        rows += [TensorRow(f"{nemo}.pos_bias_{n}", f"{ours}/attention/bias_{n}", same) for n in "uv"]
    return rows


def conformer_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for a FastConformer's configuration."""
    rows = list(CONFORMER_LAYER)
    if encoder["attention"] != "abs_pos":
        rows += RELATIVE_POSITIONS + (UNTIED_BIASES if encoder["untied_biases"] else TIED_BIASES)
    if encoder["attention"] == "rel_pos_local" and encoder["global_projections"]:
        rows += GLOBAL_PROJECTIONS
    if encoder.get("adapter_width"):
        rows += adapter_rows("adapter", "adapter", "linear")
    for adapter in encoder.get("adapters", ()):
        rows += adapter_rows(adapter["name"], f"adapter_{adapter['name']}", adapter["kind"])
    if encoder["conv_norm"] == "batch":
        rows += RUNNING_STATISTICS
    rows += subsampling_rows(encoder)
    if encoder["reduction"] == "striding":
        rows += strided_convolutions(
            "encoder.reduction_subsampling.reduction_enc",
            "params/encoder/reduction",
            factor=encoder["reduction_factor"],
            channels=encoder["width"],
            depthwise=False,
        )
    return rows + (OUTPUT_PROJECTION if encoder["output_width"] else [])
