"""NeMo's tensors of contrastive pretraining, and our variables for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.weights.decoders import prediction_and_joint_rows
from jaxspeech.interop.nemo.weights.rows import (
    TensorRow,
    Transform,
    batch_norm,
    depthwise,
    linear,
    pointwise,
    same,
)

PLACE = "decoder_losses.contrastive"
MASKED, CTC, RNNT = "decoder_losses.mlm", "decoder_losses.ctc", "decoder_losses.rnnt"
# What is in no file: the number of steps.
COUNT = f"{PLACE}.steps"


def _only(x: np.ndarray) -> np.ndarray:
    if x.shape[0] != 1:
        raise ValueError("its first axis is not 1")
    return x[0]


# Codes [1, V, K] to [V, K].
_codes = Transform(_only, lambda x: x[None])


def contrastive_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows besides those of the encoder.

    Args:
      model: our configuration.
    """
    decoder, layers = f"{PLACE}.decoder.decoder_layers", 0
    rows = linear(f"{decoder}.0", "params/decoder/first", pointwise)
    for layers in range(1, model["decoder"].get("stride_layers", 0) + model["decoder"].get("layers", 0) + 1):
        place, ours = 4 * layers - 2, layers - 1
        rows += [
            TensorRow(f"{decoder}.{place}.weight", f"params/decoder/kernel_{ours}", depthwise),
            TensorRow(f"{decoder}.{place}.bias", f"params/decoder/bias_{ours}", same),
            *linear(f"{decoder}.{place + 1}", f"params/decoder/mix_{ours}", pointwise),
            *batch_norm(f"{decoder}.{place + 2}", f"decoder/norm_{ours}"),
        ]
    rows += linear(f"{decoder}.{4 * layers + 2}", "params/decoder/out", pointwise)
    if model["quantizer"]["name"] == "gumbel":
        rows.append(TensorRow(f"{PLACE}.loss.quantizer.vars", "params/quantizer/codes", _codes))
        rows += linear(f"{PLACE}.loss.quantizer.weight_proj", "params/quantizer/logits")
    else:
        rows += linear(f"{PLACE}.loss.target_proj", "params/quantizer/out")
    for key, head, place in (("masked_codes", "masked_head", MASKED), ("ctc_codes", "ctc_head", CTC)):
        if model.get(key):
            rows += linear(f"{place}.decoder.decoder_layers.0", f"params/{head}/out", pointwise)
    if chosen := model.get("rnnt_codes"):
        decoder = {"prediction": "lstm", "joint_dropout": chosen.get("joint_dropout", 0.0)}
        rows += [
            row._replace(nemo=f"{RNNT}.decoder.{row.nemo}", ours=row.ours.replace("/decoder/", "/rnnt_head/", 1))
            for row in prediction_and_joint_rows(decoder)
        ]
    return [*rows, TensorRow(COUNT, "steps/count", same)]


def renamed(model: Mapping[str, Any], tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gives the losses of a file, whose names are its author's, our names; adds the number of steps."""
    names = {"decoder_ssl": f"{PLACE}.decoder", "loss": f"{PLACE}.loss"}
    for name in dict.fromkeys(key.split(".")[1] for key in tensors if key.startswith("decoder_losses.")):
        place = f"decoder_losses.{name}"
        if any(key.startswith((f"{place}.loss.", f"{place}.decoder.decoder_layers.2.")) for key in tensors):
            names[place] = PLACE
        elif any(key.startswith(f"{place}.decoder.joint.") for key in tensors):
            names[place] = RNNT
        else:
            names[place] = (
                CTC if model.get("ctc_codes") and ("ctc" in name or not model.get("masked_codes")) else MASKED
            )

    def ours(key: str) -> str:
        place = next((place for place in names if key.startswith(f"{place}.")), "")
        return names[place] + key.removeprefix(place) if place else key

    return {ours(key): tensor for key, tensor in tensors.items()} | {COUNT: np.zeros(1, np.float32)}
