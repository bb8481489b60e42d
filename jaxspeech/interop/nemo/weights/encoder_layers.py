"""NeMo's tensors of an encoder whose layers are the features of another model, and our variables for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.conformer import POSITIONS, conformer_rows
from jaxspeech.interop.nemo.weights.features import frontend_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow, same

NEMO = "preprocessor.feature_extractor"


def encoder_layers_rows(features: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for the section `features` of a `model` dict; none for features of the signal alone."""
    if features["name"] != "encoder_layers":
        return []
    rows = []
    for row in conformer_rows(features["encoder"]):
        collection, _, path = row.ours.partition("/encoder/")
        ours = f"{collection}/frontend/encoder/{path}"
        if features.get("frozen", True):
            ours = f"frozen/frontend/weights/{collection}/{path}"
        rows.append(row._replace(nemo=f"{NEMO}.{row.nemo}", ours=ours))
    if features["aggregate"] == "weighted_sum":
        rows.append(TensorRow(f"{NEMO}.aggregator.weights", "params/frontend/aggregate/weights", same))
    return rows


def encoder_layers_tensors(frontend: Any) -> dict[str, np.ndarray | None]:
    """The derived tensors: window and filters of the mel frames, and the encoder's positions."""
    return {**frontend_tensors(frontend.features, "preprocessor.preprocessor.featurizer"), f"{NEMO}.{POSITIONS}": None}
