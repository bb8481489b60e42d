"""NeMo's tensors of attention decoders, and our variables for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.rows import TensorRow, linear, norm, same

EMBEDDING, DECODER, ENCODER = "transf_decoder._embedding", "transf_decoder._decoder", "transf_encoder"
POSITIONS = f"{EMBEDDING}.position_embedding.pos_enc"
# The output layer's weights are the table of tokens; NeMo stores them twice.
OUTPUT = "log_softmax.mlp.layer0"
_OURS = "params/decoder"


def position_table(decoder: Any) -> np.ndarray | None:
    """The table of sinusoids, which NeMo stores with the weights; None where positions are learnt."""
    if decoder.positions == "learnt":
        return None
    rates = np.exp(np.arange(0, decoder.width, 2) * -(np.log(10000.0) / decoder.width))
    angles = np.arange(decoder.max_length)[:, None] * rates
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(decoder.max_length, decoder.width)
    return (table / np.sqrt(decoder.width)).astype(np.float32)


def _attention(nemo: str, ours: str) -> list[TensorRow]:
    names = {"query": "query_net", "key": "key_net", "value": "value_net", "out": "out_projection"}
    return [row for name, theirs in names.items() for row in linear(f"{nemo}.{theirs}", f"{ours}/{name}")]


def _feed_forward(nemo: str, ours: str) -> list[TensorRow]:
    return linear(f"{nemo}.dense_in", f"{ours}/up") + linear(f"{nemo}.dense_out", f"{ours}/down")


def _decoder_layer(nemo: str, ours: str) -> list[TensorRow]:
    return [
        *norm(f"{nemo}.layer_norm_1", f"{ours}/norm_self"),
        *_attention(f"{nemo}.first_sub_layer", f"{ours}/self_attention"),
        *norm(f"{nemo}.layer_norm_2", f"{ours}/norm_cross"),
        *_attention(f"{nemo}.second_sub_layer", f"{ours}/cross_attention"),
        *norm(f"{nemo}.layer_norm_3", f"{ours}/norm_ff"),
        *_feed_forward(f"{nemo}.third_sub_layer", ours),
    ]


def encoder_layer_rows(nemo: str, ours: str) -> list[TensorRow]:
    """The rows of a layer of NeMo's Transformer encoder."""
    return [
        *norm(f"{nemo}.layer_norm_1", f"{ours}/norm_self"),
        *_attention(f"{nemo}.first_sub_layer", f"{ours}/self_attention"),
        *norm(f"{nemo}.layer_norm_2", f"{ours}/norm_ff"),
        *_feed_forward(f"{nemo}.second_sub_layer", ours),
    ]


def attention_decoder_rows(decoder: Mapping[str, Any], *, projection: str = "encoder_decoder_proj") -> list[TensorRow]:
    """The rows of everything after the acoustic encoder; `projection` is NeMo's name of the first layer."""
    rows = [
        *linear(projection, f"{_OURS}/projection"),
        *encoder_layer_rows(f"{ENCODER}.layers.{{i}}", f"{_OURS}/encoder_{{i}}"),
        *norm(f"{ENCODER}.final_layer_norm", f"{_OURS}/norm_encoder"),
        TensorRow(f"{EMBEDDING}.token_embedding.weight", f"{_OURS}/table", same),
        TensorRow(f"{EMBEDDING}.token_type_embedding.weight", f"{_OURS}/types", same),
        *norm(f"{EMBEDDING}.layer_norm", f"{_OURS}/norm_in"),
        *_decoder_layer(f"{DECODER}.layers.{{i}}", f"{_OURS}/layers_{{i}}"),
        *norm(f"{DECODER}.final_layer_norm", f"{_OURS}/norm_out"),
        TensorRow(f"{OUTPUT}.weight", f"{_OURS}/table", same),
        TensorRow(f"{OUTPUT}.bias", f"{_OURS}/bias", same),
    ]
    if decoder["positions"] == "learnt":
        rows.append(TensorRow(f"{EMBEDDING}.position_embedding.weight", f"{_OURS}/positions", same))
    return rows
