"""Maps the weights of a Parakeet or Canary model: the rows for NeMo's tensors, under the names of Transformers."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families import family_of_model
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.transformers.canary import decoder_rows

# NeMo's part of a name -> Transformers'.
NAMES = (
    (r"^encoder\.pre_encode\.conv\.", "encoder.subsampling.layers."),
    (r"^encoder\.pre_encode\.out\.", "encoder.subsampling.linear."),
    (r"\.conv\.batch_norm\.", ".conv.norm."),
    (r"\.self_attn\.linear_([qkv])\.", r".self_attn.\1_proj."),
    (r"\.self_attn\.linear_out\.", ".self_attn.o_proj."),
    (r"\.self_attn\.linear_pos\.", ".self_attn.relative_k_proj."),
    (r"\.self_attn\.pos_bias_([uv])$", r".self_attn.bias_\1"),
    (r"^decoder\.decoder_layers\.0\.", "ctc_head."),
    (r"^decoder\.prediction\.embed\.", "decoder.embedding."),
    (r"^decoder\.prediction\.dec_rnn\.lstm\.", "decoder.lstm."),
    (r"^joint\.enc\.", "encoder_projector."),
    (r"^joint\.pred\.", "decoder.decoder_projector."),
    (r"^joint\.joint_net\.1\.", "joint.head."),
)
# The names in earlier versions of Transformers.
FORMER_NAMES = (
    (r"^joint\.encoder_proj\.", "encoder_projector."),
    (r"^decoder\.output_proj\.", "decoder.decoder_projector."),
)


def transformers_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows for a `model` dict."""
    if model["task"] == "attention":
        encoder = [row._replace(nemo=f"model.{_renamed(row.nemo, NAMES)}") for row in encoder_rows(model["encoder"])]
        return encoder + decoder_rows()
    return [row._replace(nemo=_renamed(row.nemo, NAMES)) for row in family_of_model(model).rows(model)]


def with_present_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Renames `tensors` to the names of the present version."""
    renamed = {_renamed(name, FORMER_NAMES): tensor for name, tensor in tensors.items()}
    if len(renamed) != len(tensors):
        raise ArchiveError("it has a weight twice, under its present and under its former name")
    return renamed


def _renamed(name: str, table: Iterable[tuple[str, str]]) -> str:
    for pattern, replacement in table:
        name = re.sub(pattern, replacement, name)
    return name
