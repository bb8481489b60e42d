"""The tables of weights of estimators of complex spectra."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.conformer import conformer_rows
from jaxspeech.interop.nemo.weights.ncsnpp import ncsnpp_rows
from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    Transform,
    dense,
    depthwise,
    linear,
    pointwise2d,
    same,
)

NEMO, OURS = "estimator", "params/estimator"
# Of the Conformer inside, for the rows.
CONFORMER = {"subsampling": "striding", "subsampling_factor": 1, "global_projections": False, "reduction": None}
# One number a head, which NeMo keeps as [H, 1, 1].
slopes = Transform(lambda x: np.squeeze(x, (1, 2)), lambda x: x[:, None, None])


def spectrum_conformer_rows(estimator: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of a Conformer for spectra, with or without the skips of a U-Net."""
    # Every file has the projection to the features, unless these are as many as the model is wide.
    fields = CONFORMER | dict(estimator) | {"output_width": True}
    layer = "layers.{i}.1." if estimator["unet_skips"] else "layers.{i}."
    rows = [
        row._replace(
            nemo=row.nemo.replace("encoder.", f"{NEMO}.conformer.", 1).replace("layers.{i}.", layer),
            ours=row.ours.replace("/encoder/", "/estimator/conformer/", 1),
        )
        for row in conformer_rows(fields)
    ]
    if estimator["unet_skips"]:
        rows += _skips(f"{NEMO}.conformer", f"{OURS}/conformer", estimator["num_layers"])
    return rows + linear(f"{NEMO}.output_projection", f"{OURS}/out", pointwise2d)


def transformer_unet_rows(estimator: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of a Transformer with the skips of a U-Net."""
    timed, inner = estimator["conditioned_on_time"], f"{NEMO}.transformerunet"
    rows = linear(f"{NEMO}.proj_in", f"{OURS}/in", dense) + linear(f"{NEMO}.proj_out", f"{OURS}/out", dense)
    rows += [
        TensorRow(f"{NEMO}.conv_embed.dw_conv1d.0.weight", f"{OURS}/places_kernel", depthwise),
        TensorRow(f"{NEMO}.conv_embed.dw_conv1d.0.bias", f"{OURS}/places_bias", same),
        TensorRow(f"{inner}.slopes", f"{OURS}/slopes", slopes),
        TensorRow(f"{inner}.final_norm.gamma", f"{OURS}/norm_out/scale", same),
    ]
    if timed:
        rows.append(TensorRow(f"{NEMO}.sinu_pos_emb.0.weights", f"{OURS}/frequencies", same))
        rows += linear(f"{NEMO}.sinu_pos_emb.1", f"{OURS}/time", dense)
    nemo, ours = f"{inner}.layers.{{i}}", f"{OURS}/layers_{{i}}"
    rows += _skips(inner, OURS, estimator["num_layers"])
    for number, name in ((1, "norm_attention"), (3, "norm_ff")):
        if timed:
            rows += linear(f"{nemo}.{number}.to_gamma", f"{ours}/{name}/gamma", dense)
            rows += linear(f"{nemo}.{number}.to_beta", f"{ours}/{name}/beta", dense)
        else:
            rows.append(TensorRow(f"{nemo}.{number}.gamma", f"{ours}/{name}/scale", same))
    rows += [
        TensorRow(f"{nemo}.2.in_proj_weight", f"{ours}/attention/qkv/kernel", dense),
        TensorRow(f"{nemo}.2.in_proj_bias", f"{ours}/attention/qkv/bias", same),
    ]
    rows += linear(f"{nemo}.2.out_proj", f"{ours}/attention/out", dense)
    # The entries between them are the activation and its dropout.
    return rows + linear(f"{nemo}.4.0", f"{ours}/ff/up", dense) + linear(f"{nemo}.4.3", f"{ours}/ff/down", dense)


def _skips(nemo: str, ours: str, num_layers: int) -> list[TensorRow]:
    """The rows of the projections before the layers of the second half."""
    second = range(num_layers // 2, num_layers)
    return [row for i in second for row in linear(f"{nemo}.layers.{i}.0", f"{ours}/skip_{i}", dense)]


SPECTRUM_ROWS: Mapping[str, Callable[[Mapping[str, Any]], list[TensorRow]]] = {
    "conformer": spectrum_conformer_rows,
    "ncsnpp": ncsnpp_rows,
    "transformer_unet": transformer_unet_rows,
}
# Computed here; not every file contains them.
SPECTRUM_POSITIONS = f"{NEMO}.conformer.pos_enc.pe"
