"""NeMo's tensors of a speech language model's encoder and connector, and our variables for them."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.encoder_layers import encoder_layers_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, linear

PERCEPTION, ADAPTER = "perception", "perception.modality_adapter"
CONNECTOR = "params/connector/out"


def perception_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of everything but the language model."""
    kind = model["connector"]["name"]
    # An encoder whose layers are read is inside of the module that reads them.
    within = f"{PERCEPTION}.encoder_multilayer" if kind == "multilayer" else PERCEPTION
    rows = [*encoder_layers_rows(model["features"]), *encoder_rows(model["encoder"])]
    found = [
        row._replace(nemo=f"{within if row.nemo.startswith('encoder') else PERCEPTION}.{row.nemo}") for row in rows
    ]
    if kind == "multilayer":
        return found + linear(f"{ADAPTER}.proj", CONNECTOR)
    if kind == "conformer":
        found += [_of_connector(row) for row in encoder_rows(model["connector"]["encoder"])]
    return found + linear(f"{PERCEPTION}.proj", CONNECTOR)


def _of_connector(row: TensorRow) -> TensorRow:
    collection, part, rest = row.ours.split("/", 2)
    nemo = row.nemo.replace("encoder", ADAPTER, 1)
    return row._replace(nemo=nemo, ours=f"{collection}/connector/{part}/{rest}")
