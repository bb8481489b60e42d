"""Our parameters under the peer's names."""

from typing import Any

import jax

from jaxspeech.interop.nemo.weights import rows_of
from jaxspeech.interop.nemo.weights.rows import Row

# Of a prediction network among the references, where the encoder has no layers to be counted.
MOST_LAYERS = 4


def by_peer_name(model, params) -> dict[str, tuple[Row, Any]]:
    """The peer's name -> the row of the map, whose transform takes the peer's tensor to ours, and our array."""
    named = {}
    for row in rows_of(model):
        for i in range(model["encoder"].get("num_layers", MOST_LAYERS) if "{i}" in row.peer else 1):
            node, (_, *path) = {"layers": None} | params, row.ours.replace("{i}", str(i)).split("/")
            for part in path:
                if part == f"layers_{i}" and part not in node:
                    node = jax.tree.map(lambda x, i=i: x[i], node["layers"])
                else:
                    node = node.get(part) if isinstance(node, dict) else None
            if node is not None and row.ours.startswith("params"):
                named[row.peer.replace("{i}", str(i))] = row, node
    return named
