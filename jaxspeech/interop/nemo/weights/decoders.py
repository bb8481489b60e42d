"""NeMo's tensors of heads, prediction networks and joint, and our variables for them."""

from collections.abc import Iterable, Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.lstm import lstm_weights
from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    dense,
    linear,
    linear_adapter_rows,
    pointwise,
    same,
    without_padding,
)

CTC_HEAD = linear("decoder.decoder_layers.0", "params/decoder/out", pointwise)
HYBRID_CTC_HEAD = linear("ctc_decoder.decoder_layers.0", "params/ctc_head/out", pointwise)


def ctc_head_rows(decoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the head of a CTC model."""
    if decoder["name"] == "ctc":
        return CTC_HEAD
    rows = linear("decoder.linear_layer", "params/decoder/out")
    for i in range(decoder["num_layers"]):
        for direction, suffix in (("forward", ""), ("backward", "_reverse"))[: 1 + decoder["bidirectional"]]:
            for place, name in (("ih", "input"), ("hh", "hidden")):
                nemo, ours = f"_{place}_l{i}{suffix}", f"params/decoder/{direction}_{i}/{name}_0"
                rows.append(TensorRow(f"decoder.lstm_layer.weight{nemo}", f"{ours}/kernel", dense))
                rows.append(TensorRow(f"decoder.lstm_layer.bias{nemo}", f"{ours}/bias", same))
    return rows


LSTM_PREDICTION = [
    TensorRow("decoder.prediction.embed.weight", "params/decoder/prediction/embedding/table", without_padding),
    *lstm_weights("decoder.prediction.dec_rnn.lstm", "params/decoder/prediction/lstm"),
]
STATELESS_PREDICTION = [
    TensorRow("decoder.prediction.embeds.{i}.weight", "params/decoder/prediction/embedding_{i}/table", without_padding)
]


def prediction_and_joint_rows(decoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of prediction network and joint. NeMo's numbers count the joint's dropout only if there is one."""
    last = f"joint.joint_net.{2 if decoder['joint_dropout'] > 0 else 1}"
    ours = "params/decoder/joint/out"
    heads = [(f"{last}.{language}", f"{ours}_{language}") for language in decoder.get("languages", ())]
    outputs = [row for nemo, head in heads or [(last, ours)] for row in linear(nemo, head)]
    if decoder.get("hat"):  # NeMo keeps the blank's row in a layer of its own
        count = decoder["vocab_size"]
        blank = linear("joint.blank_pred.2", ours, columns=(count, count + 1))
        outputs = linear(last, ours, columns=(0, count)) + blank
    return [
        *(LSTM_PREDICTION if decoder["prediction"] == "lstm" else STATELESS_PREDICTION),
        *linear("joint.enc", "params/decoder/joint/encoded"),
        *linear("joint.pred", "params/decoder/joint/predicted"),
        *outputs,
        *_adapter_rows("decoder", "params/decoder/adapted", decoder.get("prediction_adapters", ())),
        *_adapter_rows("joint", "params/decoder/joint", decoder.get("joint_adapters", ())),
    ]


def _adapter_rows(nemo: str, ours: str, adapters: Iterable[Mapping[str, Any]]) -> list[TensorRow]:
    names = [adapter["name"] for adapter in adapters]
    return [
        row for name in names for row in linear_adapter_rows(f"{nemo}.adapter_layer.{name}", f"{ours}/adapter_{name}")
    ]
