"""Maps parameters to NeMo's names."""

from typing import Any

import jax

from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights.rows import TensorRow

# Largest number of layers of a prediction network in the references, or of an encoder that has no num_layers.
MOST_LAYERS = 4


def by_nemo_name(model, params) -> dict[str, tuple[TensorRow, Any]]:
    """Returns NeMo's name -> (row of the weight map, with the transform from NeMo's tensor to ours; our array)."""
    named = {}
    for row in family_of_model(model).rows(model):
        of_decoder = row.nemo.startswith("decoder.")
        layers = MOST_LAYERS if of_decoder else model["encoder"].get("num_layers", MOST_LAYERS)
        for i in range(layers if "{i}" in row.nemo else 1):
            node, (_, *path) = {"layers": None} | params, row.ours.replace("{i}", str(i)).split("/")
            for part in path:
                if part == f"layers_{i}" and part not in node:
                    node = jax.tree.map(lambda x, i=i: x[i], node["layers"])
                else:
                    node = node.get(part) if isinstance(node, dict) else None
            if node is not None and row.ours.startswith("params"):
                node = node if row.columns is None else node[..., slice(*row.columns)]
                named[row.nemo.replace("{i}", str(i))] = row, node
    return named
