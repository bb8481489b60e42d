"""NeMo's tensors of enhancement models, and our variables for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.conformer import POSITIONS, conformer_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, linear, norm, same

_NEMO, _OURS = "mask_estimator", "params/estimator"
# Fields of the Conformers of a mask estimator, on which their tensors depend.
_CONFORMER = {"subsampling": "striding", "subsampling_factor": 1, "untied_biases": True, "conv_norm": "batch"}
_CONFORMER |= {"global_projections": False, "reduction": None}
ATTENTION = {"linear_q": "query", "linear_k": "key", "linear_v": "value", "linear_out": "out"}


def mask_rnn_rows(estimator: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of a recurrent mask estimator."""
    rows = linear(f"{_NEMO}.input_projection", f"{_OURS}/input")
    bidirectional, gru = estimator.get("bidirectional", True), estimator.get("cell", "lstm") == "gru"
    directions = {"forward": "", "backward": "_reverse"} if bidirectional else {"forward": ""}
    for i in range(estimator["num_layers"]):
        for direction, suffix in directions.items():
            ours, end = f"{_OURS}/layers_{i}_{direction}", "" if gru else "_0"
            names = {"ih": f"{ours}/input{end}", "hh": f"{ours}/hidden{end}"}
            rows += [
                TensorRow(f"{_NEMO}.rnn.{kind}_{place}_l{i}{suffix}", f"{name}/{parameter}", transform)
                for kind, parameter, transform in (("weight", "kernel", dense), ("bias", "bias", same))
                for place, name in names.items()
            ]
    rows += linear(f"{_NEMO}.fc", f"{_OURS}/join") + norm(f"{_NEMO}.norm", f"{_OURS}/norm")
    for m in range(estimator.get("num_outputs", 1)):
        rows += linear(f"{_NEMO}.output_projections.{m}", f"{_OURS}/output_{m}")
    return rows


def mask_channels_rows(estimator: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of a mask estimator for any number of channels."""
    blocks = estimator["num_blocks"]
    before = estimator.get("reduction_position", -1)
    before = blocks if before == -1 else before
    rows: list[TensorRow] = []
    attends = estimator.get("sharing", "attention") == "attention"
    for i in range(blocks):
        rows += _conformer(estimator, f"temporal_blocks.{i}", f"temporal_{i}")
        if i < before:
            nemo, ours = f"{_NEMO}.channel_blocks.{i}", f"{_OURS}/channels_{i}"
            shared = "transform_attend" if attends else "transform_average"
            rows.append(TensorRow(f"{nemo}.transform_channel.0.weight", f"{ours}/own/kernel", dense))
            rows.append(TensorRow(f"{nemo}.{shared}.0.weight", f"{ours}/shared/kernel", dense))
            rows += _attention(nemo, ours) if attends else []
    if estimator.get("reduction", "attention") == "attention":
        rows += _attention(f"{_NEMO}.channel_reduction", f"{_OURS}/pooling")
    for m in range(estimator.get("num_outputs", 1)):
        rows += _conformer(estimator, f"output_layers.{m}", f"output_{m}", output_width=True)
    return rows


def _attention(nemo: str, ours: str) -> list[TensorRow]:
    pairs = ATTENTION.items()
    return [row for theirs, name in pairs for row in linear(f"{nemo}.attention.{theirs}", f"{ours}/attention/{name}")]


def _conformer(estimator: Mapping[str, Any], nemo: str, ours: str, *, output_width: bool = False) -> list[TensorRow]:
    """The rows of a Conformer under other names than those of an encoder."""
    fields = _CONFORMER | {"attention": estimator.get("attention", "rel_pos"), "output_width": output_width}
    return [
        row._replace(
            nemo=row.nemo.replace("encoder.", f"{_NEMO}.{nemo}.", 1),
            ours=row.ours.replace("/encoder/", f"/estimator/{ours}/", 1),
        )
        for row in conformer_rows(fields)
    ]


ESTIMATOR_ROWS = {"mask_channels": mask_channels_rows, "mask_rnn": mask_rnn_rows}
# Computed here; not every file contains them.
POSITIONS_OF_ESTIMATORS = f"{_NEMO}.{{any}}.{POSITIONS.removeprefix('encoder.')}"


def transform_tensors(fft_length: int) -> dict[str, np.ndarray]:
    """The window of the transform and of its inverse, a periodic Hann window."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft_length) / fft_length)
    return {f"{name}.window": window.astype(np.float32) for name in ("encoder", "decoder")}


def reference_rows(processor: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the weights with which a beamformer finds its reference channel."""
    if processor.get("name") != "beamformer" or not processor.get("subband_weights"):
        return []
    weights = {"weight_s": "speech", "weight_n": "noise"}
    nemo = "mask_processor.filter.ref_estimator"
    return [TensorRow(f"{nemo}.{theirs}", f"params/processor/{ours}", same) for theirs, ours in weights.items()]
