"""NeMo's tensors of the LSTM encoder and of any other LSTM, and our variables for them."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.conformer import subsampling_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, norm, same


def lstm_weights(nemo: str, ours: str, *, layer: str = "{i}", suffix: str = "") -> list[TensorRow]:
    """The rows of one direction of an LSTM; torch's names of the second direction have a suffix."""
    return [
        *[
            TensorRow(f"{nemo}.{kind}_{place}_l{layer}{suffix}", f"{ours}/{name}_{layer}/{parameter}", transform)
            for kind, parameter, transform in (("weight", "kernel", dense), ("bias", "bias", same))
            for place, name in (("ih", "input"), ("hh", "hidden"))
        ],
        TensorRow(f"{nemo}.weight_hr_l{layer}{suffix}", f"{ours}/project_{layer}", dense),
    ]


def lstm_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for an LSTM encoder's configuration. NeMo numbers each layer, its norm and its dropout."""
    rows = list(subsampling_rows(encoder))
    for i in range(encoder["num_layers"]):
        nemo, ours = f"encoder.layers.{3 * i}", f"params/encoder/layers_{i}"
        rows += lstm_weights(nemo, f"{ours}/forward", layer="0")
        if encoder["bidirectional"]:
            rows += lstm_weights(nemo, f"{ours}/backward", layer="0", suffix="_reverse")
        rows += norm(f"encoder.layers.{3 * i + 1}", f"{ours}/norm")
    return rows
