"""Makes the references of W-Transducer losses: sums over the lattices that NeMo builds, in float64.

    NEMO_PYTHON tests/parity/make_wildcard_references.py

It needs NeMo 3, but not k2, whose place in NeMo's lattices is taken by a class that only keeps the arcs.
"""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

FILE = Path(__file__).parent / "references" / "wildcard.json"
VOCABULARY = 4  # tokens before the blank
SIZES = ((5, 3), (2, 1), (7, 0), (1, 2))  # frames and labels
OPTIONS = (("force_final", -0.5), ("allow_ignore", 0.0))


class Arcs:
    """Stands for k2.Fsa: arcs [N, 4] of source, destination, label and score, and the frame of each."""

    def __init__(self, arcs: torch.Tensor, aux_labels: torch.Tensor):
        self.arcs, self.aux_labels, self.labels = arcs, aux_labels, arcs[:, 2]


def main() -> None:
    k2, guard = ModuleType("k2"), ModuleType("nemo.core.utils.k2_guard")
    k2.Fsa, guard.k2 = Arcs, k2
    sys.modules["nemo.core.utils.k2_guard"] = guard
    from nemo.collections.asr.parts.k2.w_transducer import GraphWTransducerLoss

    rng = np.random.default_rng(0)
    rows = []
    for frames, count in SIZES:
        logits = np.round(2 * rng.normal(size=(frames, count + 1, VOCABULARY + 1)), 3)
        rows.append({"logits": logits.tolist(), "labels": rng.integers(0, VOCABULARY, count).tolist()})
    losses = []
    for mode, weight in OPTIONS:
        loss = GraphWTransducerLoss(blank=VOCABULARY, eps_weight=weight, last_blank_mode=mode)
        losses.append([total(loss, row, weight) for row in rows])
    options = [{"wildcard": mode, "wildcard_weight": weight} for mode, weight in OPTIONS]
    FILE.write_text(json.dumps({"rows": rows, "options": options, "losses": losses}) + "\n")


def total(loss, row: dict, weight: float) -> float:
    """Returns -log of the sum of all paths through NeMo's lattice."""
    logits = np.array(row["logits"])
    log_probs = logits - np.logaddexp.reduce(logits, -1)[..., None]
    lattice = loss.get_grid(torch.tensor(row["labels"], dtype=torch.int32), len(logits), VOCABULARY + 1)
    arcs = lattice.arcs.numpy()
    alpha = np.full(arcs[:, 1].max() + 1, -np.inf)
    alpha[0] = 0
    for i in np.argsort(arcs[:, 0], kind="stable"):  # states are numbered in the order of the lattice
        source, destination, label, _ = arcs[i]
        score = 0.0 if label == -1 else weight
        if 0 <= label <= VOCABULARY:
            score = log_probs[lattice.aux_labels[i], lattice.unit_positions[i], label]
        alpha[destination] = np.logaddexp(alpha[destination], alpha[source] + score)
    return -float(alpha[-1])


if __name__ == "__main__":
    main()
