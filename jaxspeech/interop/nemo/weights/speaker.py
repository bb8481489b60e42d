"""NeMo's tensors of speaker models, and our variables for them."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    batch_norm,
    conv1d,
    dense,
    linear,
    pointwise,
    statistics,
)


def ecapa_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for the layers of a configuration."""
    rows = _tdnn("encoder.layers.0.conv_layer", "encoder.layers.0.bn", "encoder/first")
    for i in range(len(encoder["filters"]) - 1):
        nemo, ours = f"encoder.layers.{i + 1}", f"encoder/block_{i}"
        group = f"{nemo}.group_tdnn_block"
        rows += _tdnn(f"{group}.0.conv_layer", f"{group}.0.bn", f"{ours}/in")
        rows += _tdnn(f"{group}.1", f"{group}.3", f"{ours}/grouped")
        rows += _tdnn(f"{group}.4.conv_layer", f"{group}.4.bn", f"{ours}/out")
        gate = f"{nemo}.se_layer.se_layer"
        rows += linear(f"{gate}.0", f"params/{ours}/down", pointwise)
        rows += batch_norm(f"{gate}.2", f"{ours}/gate_norm")
        rows += linear(f"{gate}.3", f"params/{ours}/up", pointwise)
    return rows + _tdnn("encoder.feature_agg.conv_layer", "encoder.feature_agg.bn", "encoder/last")


def _tdnn(conv: str, bn: str, ours: str) -> list[TensorRow]:
    return [*linear(conv, f"params/{ours}", conv1d), *batch_norm(bn, f"{ours}/norm")]


def speaker_head_rows(decoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for a head: its pooling, the layers of the embedding, and the classifier."""
    rows: list[TensorRow] = []
    attends = decoder["pooling"] == "attention"
    if attends:
        attention = "decoder._pooling.attention_layer"
        rows += linear(f"{attention}.0.conv_layer", "params/decoder/attention", pointwise)
        rows += batch_norm(f"{attention}.0.bn", "decoder/attention/norm")
        rows += linear(f"{attention}.2", "params/decoder/attention/out", pointwise)
    for i in range(len(decoder["embedding_widths"])):
        layer, ours = f"decoder.emb_layers.{i}", f"decoder/norm_{i}"
        if attends:
            rows += batch_norm(f"{layer}.0", ours) + linear(f"{layer}.1", f"params/decoder/layer_{i}", pointwise)
        else:
            rows += linear(f"{layer}.0", f"params/decoder/layer_{i}") + statistics(f"{layer}.1", ours)
    classifier = linear("decoder.final", "params/decoder/classifier", dense)
    return rows + (classifier[:1] if decoder["angular"] else classifier)
