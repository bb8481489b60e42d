"""What the peer's reference files hold, in our layout."""

import json
from pathlib import Path

import numpy as np

# Those made by make_references.py.
OWN = Path(__file__).parent / "references"


def reference(name, request):
    """The .nemo file of a family, what the peer computed with it, and what it said; skips where they are missing."""
    folder = OWN if (OWN / f"{name}.nemo").exists() else request.getfixturevalue("refs")
    with np.load(folder / f"{name}.npz") as file:
        peer = {key: file[key] for key in file.files}
    return folder / f"{name}.nemo", peer, json.loads((folder / f"{name}.json").read_text())


def inputs_of(peer):
    """The peer's features [B T F] and their frames [B]."""
    return peer["feats"].transpose(0, 2, 1), peer["feats_len"].astype(np.int32)


def targets_of(peer):
    """The labels [B U] and their number [B]."""
    return peer["targets"].astype(np.int32), peer["target_len"].astype(np.int32)


def layers_of(peer):
    """What comes out of each layer and how much of it is real: the subsampled frames first, or a list of blocks."""
    if "enc.block0.0" in peer:
        number = sum(name.startswith("enc.block") and name.endswith(".0") for name in peer)
        return [(peer[f"enc.block{i}.0"].transpose(0, 2, 1), peer[f"enc.block{i}.1"]) for i in range(number)]
    subsampled = peer["enc.pos_enc.0"], peer["enc.pre_encode.1"]
    layers = []
    while (name := f"enc.layer{len(layers)}") in peer:
        same_rate = peer[name].shape == peer["enc.pre_encode.0"].shape
        layers.append((peer[name], peer["enc.pre_encode.1" if same_rate else "enc_out_len"]))
    return [subsampled, *layers]


def worst(ours, theirs, num_frames):
    """Largest difference in a real frame, and in any frame that the peer has: it has none where it holds NaN."""
    difference = np.where(np.isnan(theirs), 0.0, np.abs(ours - theirs)).max(-1)
    assert np.isfinite(difference).all()
    return max(row[:n].max() for row, n in zip(difference, num_frames, strict=True)), difference.max()
