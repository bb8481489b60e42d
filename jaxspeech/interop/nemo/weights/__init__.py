"""Maps NeMo's tensors to our variables and back: tables, in a file for each kind of module."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.conformer import conformer_rows
from jaxspeech.interop.nemo.weights.jasper import jasper_rows
from jaxspeech.interop.nemo.weights.lstm import lstm_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.speaker import ecapa_rows
from jaxspeech.interop.nemo.weights.squeezeformer import squeezeformer_rows
from jaxspeech.interop.nemo.weights.transformer import transformer_rows

ENCODERS = {
    "ecapa": ecapa_rows,
    "fastconformer": conformer_rows,
    "jasper": jasper_rows,
    "lstm": lstm_rows,
    "squeezeformer": squeezeformer_rows,
    "transformer": transformer_rows,
}


def encoder_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for the section `encoder` of a `model` dict."""
    return ENCODERS[encoder["name"]](encoder)
