"""Reads NeMo's reference files, in our layout."""

import json
import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

# The references that make_references.py makes.
OWN = Path(__file__).parent / "references"
# Those that a script made elsewhere, because they are not kept in the repository.
ELSEWHERE = Path(os.environ.get("JAXSPEECH_REFERENCES", OWN))


def reference(name, request):
    """Returns the .nemo file of a family, NeMo's arrays, and its texts and settings; skips if they are missing."""
    known = [folder for folder in (OWN, ELSEWHERE) if (folder / f"{name}.nemo").exists()]
    folder = known[0] if known else request.getfixturevalue("refs")
    if not (folder / f"{name}.nemo").exists():
        pytest.skip(f"{folder} has no {name}.nemo")
    with np.load(folder / f"{name}.npz") as file:
        nemo = {key: file[key] for key in file.files}
    return folder / f"{name}.nemo", nemo, json.loads((folder / f"{name}.json").read_text())


def inputs_of(nemo):
    """Returns NeMo's features [B T F] and num_frames [B]."""
    return nemo["feats"].transpose(0, 2, 1), nemo["feats_len"].astype(np.int32)


def targets_of(nemo):
    """Returns the labels [B U] and num_labels [B]."""
    return nemo["targets"].astype(np.int32), nemo["target_len"].astype(np.int32)


def layers_of(nemo):
    """Returns each layer's output and its num_frames; the subsampled frames come first, except for block encoders."""
    if "enc.block0.0" in nemo:
        number = sum(name.startswith("enc.block") and name.endswith(".0") for name in nemo)
        return [(nemo[f"enc.block{i}.0"].transpose(0, 2, 1), nemo[f"enc.block{i}.1"]) for i in range(number)]
    subsampled = nemo["enc.pos_enc.0"], nemo["enc.pre_encode.1"]
    layers = []
    while (name := f"enc.layer{len(layers)}") in nemo:
        same_rate = nemo[name].shape == nemo["enc.pre_encode.0"].shape
        layers.append((nemo[name], nemo["enc.pre_encode.1" if same_rate else "enc_out_len"]))
    return [subsampled, *layers]


def as_returned(nemo, encoder, variables):
    """Returns what `layers_of` does, as our encoder returns it; None for the layer before a reduction."""
    layers: list[Any] = layers_of(nemo)
    first = len(layers) - encoder.depth
    if "norm_out" in variables["params"]["encoder"]:
        norm = jax.tree.map(np.asarray, variables["params"]["encoder"]["norm_out"])
        layers[first:] = [(_normed(layer) * norm["scale"] + norm["bias"], frames) for layer, frames in layers[first:]]
    if getattr(encoder, "output_width", None):
        out = variables["params"]["encoder"]["out"]
        kernel, bias = np.asarray(out["kernel"]), np.asarray(out["bias"])
        layers[first:] = [(layer @ kernel + bias, num_frames) for layer, num_frames in layers[first:]]
    if getattr(encoder, "reduction", None) and encoder.reduction_position >= 0:
        layers[first + encoder.reduction_position] = None
    return layers


def _normed(x):
    """The layer norm of torch, without a scale."""
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def every_layer(encoder):
    """Returns the layers of `as_returned`: the subsampled frames come first, except for block encoders."""
    return tuple(range(encoder.depth)) if hasattr(encoder, "blocks") else ("input", *range(encoder.depth))


def worst(ours, theirs, num_frames):
    """Returns the largest difference in real frames, and in all frames of NeMo's (NaN marks missing ones)."""
    difference = np.where(np.isnan(theirs), 0.0, np.abs(ours - theirs)).max(-1)
    assert np.isfinite(difference).all()
    return max(row[:n].max() for row, n in zip(difference, num_frames, strict=True)), difference.max()


def arrays_of(name, request):
    """Returns NeMo's arrays, and its texts and settings, where there is no .nemo file; skips if they are missing."""
    folder = request.getfixturevalue("refs")
    if not (folder / f"{name}.npz").exists():
        pytest.skip(f"{folder} has no {name}.npz")
    with np.load(folder / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}, json.loads((folder / f"{name}.json").read_text())
