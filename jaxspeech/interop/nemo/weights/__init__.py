"""The map between the peer's weights and our variables: tables, one file for each kind of module."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights.conformer import conformer_rows
from jaxspeech.interop.nemo.weights.decoders import CTC_HEAD, HYBRID_CTC_HEAD, transducer_rows
from jaxspeech.interop.nemo.weights.jasper import jasper_rows
from jaxspeech.interop.nemo.weights.lstm import lstm_rows
from jaxspeech.interop.nemo.weights.rows import Row
from jaxspeech.interop.nemo.weights.squeezeformer import squeezeformer_rows
from jaxspeech.interop.nemo.weights.transformer import transformer_rows

# What needs no place: the frontend's window and filters follow from its configuration; the count of batches has no use
# with a fixed momentum; the encoder's positions are computed.
DERIVED = (
    "preprocessor.featurizer.window",
    "preprocessor.featurizer.fb",
    "encoder.pos_enc.pe",
    "{any}.num_batches_tracked",
)

ENCODERS = {
    "fastconformer": conformer_rows,
    "jasper": jasper_rows,
    "lstm": lstm_rows,
    "squeezeformer": squeezeformer_rows,
    "transformer": transformer_rows,
}
DECODERS = {"ctc": lambda decoder: CTC_HEAD, "transducer": transducer_rows}


def rows_of(model: Mapping[str, Any]) -> list[Row]:
    """The rows that a `model` dict calls for."""
    encoder, decoder = model["encoder"], model["decoder"]
    rows = [*ENCODERS[encoder["name"]](encoder), *DECODERS[decoder["name"]](decoder)]
    return rows + (HYBRID_CTC_HEAD if model["task"] == "hybrid" else [])
