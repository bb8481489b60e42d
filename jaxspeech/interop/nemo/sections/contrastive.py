"""The tables of contrastive pretraining: masks, decoders and losses of NeMo's SpeechEncDecSelfSupervisedModel."""

import re
from typing import Any

from jaxspeech.interop.nemo.sections.arguments import (
    Argument,
    Required,
    Section,
    among,
    flag,
    integer,
    number,
    only,
    size,
)
from jaxspeech.tasks.contrastive_options import BATCH, BATCH_MASKED, CODEBOOK, UTTERANCE, UTTERANCE_MASKED

MASKED_PATCHES = Section(
    "",
    (
        Argument("patch_size", "patch_frames", 48, size),
        Argument("mask_patches", "patches", 10.0, number(0, 1 << 14)),
        Argument("freq_masks", "freq_masks", 0, integer(0, 1000)),
        Argument("freq_width", "freq_width", 0, integer(0, 1000)),
    ),
)
RECONSTRUCTION = Section(
    "reconstruction",
    (
        Argument("feat_out", "width", Required, size),
        Argument("feat_hidden", "hidden_width", Required, size),
        Argument("stride_layers", "stride_layers", 0, integer(0, 4)),
        Argument("non_stride_layers", "layers", 0, integer(0, 64)),
        Argument("kernel_size", "kernel_size", 11, integer(1, 255)),
        Argument("stride_transpose", "upsampling", True, flag),
        Argument("activation", "activation", "relu", among("relu", "gelu", "swish")),
        only("apply_softmax", False),
    ),
    frozenset({"feat_in", "init_mode"}),
)


def _finish(fields: dict[str, Any]) -> None:
    """Names what the negatives are, by NeMo's order of precedence."""
    same, unmasked, codes = (fields.pop(name) for name in ("_same", "_unmasked", "_codes"))
    if same:
        fields["negatives"] = UTTERANCE if unmasked else UTTERANCE_MASKED
    elif codes:
        fields["negatives"] = CODEBOOK
    else:
        fields["negatives"] = BATCH if unmasked else BATCH_MASKED
    fields["noise_temperature"] = tuple(fields.pop(name) for name in ("_start", "_end", "_decay"))


def _gather(fields: dict[str, Any]) -> dict[str, Any]:
    negatives = fields["negatives"]
    start, end, decay = fields["noise_temperature"]
    return fields | {
        **{"_same": negatives in (UTTERANCE, UTTERANCE_MASKED), "_unmasked": negatives in (UTTERANCE, BATCH)},
        **{"_codes": negatives == CODEBOOK, "_start": start, "_end": end, "_decay": decay},
    }


# Its sizes and those of its quantizer are read and written by the family.
CONTRASTIVE_LOSS = Section(
    "",
    (
        Argument("num_negatives", "num_negatives", 100, integer(1, 1 << 14)),
        Argument("prob_ppl_weight", "diversity", 0.1, number(0, 1e6)),
        Argument("logit_temp", "temperature", 0.1, number(1e-6, 1e6)),
        Argument("mask_threshold", "mask_threshold", 0.8, number(0, 0.9999)),
        Argument("multiplier", "scale", 16.0, number(0, 1e6)),
        Argument("sample_from_same_utterance_only", "_same", True, flag),
        Argument("sample_from_non_masked", "_unmasked", False, flag),
        Argument("sample_from_codebook", "_codes", False, flag),
        Argument("quantizer_temp_start", "_start", 2, number(1e-6, 1e6)),
        Argument("quantizer_temp_min", "_end", 0.5, number(1e-6, 1e6)),
        Argument("quantizer_temp_decay", "_decay", 0.999995, number(0, 1)),
        only("reduce", "sum"),
        only("group_loss", False),
    ),
    # Of these, `reduce_ids` is read by the family.
    frozenset(
        {
            *("in_dim", "combine_time_steps", "proj_dim", "quantized_targets", "codebook_size", "num_groups"),
            *("store_ids", "reduce_ids"),
        }
    ),
    finish=_finish,
    gather=_gather,
    package="nemo.collections.asr.losses",
)
GUMBEL = Section(
    "gumbel",
    (
        Argument("proj_dim", "width", 128, size),
        Argument("codebook_size", "size", 320, integer(1, 1 << 14)),
        Argument("num_groups", "groups", 2, integer(1, 64)),
    ),
)
LINEAR = Section("linear", (Argument("proj_dim", "width", 128, size),))


def _layer(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and (found := re.fullmatch(r"layers\.([0-9]{1,4})", value)):
        return int(found[1])
    raise ValueError("can be None, or the name of a layer, such as layers.11")


def _finish_entry(fields: dict[str, Any]) -> None:
    # NeMo's layers have time before width, its encoders width before time.
    if fields.pop("_transpose") != (fields["layer"] is not None):
        raise ValueError("transpose_encoded must be true with output_from_layer, and only then")


# What an entry of `loss_list` says besides its decoder and loss.
CODE_PREDICTION = Section(
    "",
    (
        Argument("loss_alpha", "weight", 1.0, number(0, 1e9)),
        Argument("start_step", "first_step", 0, integer(0, 1 << 30)),
        Argument(
            "output_from_layer", "layer", None, _layer, lambda layer: layer if layer is None else f"layers.{layer}"
        ),
        Argument("transpose_encoded", "_transpose", False, flag),
        only("is_active", True),
    ),
    frozenset({"decoder", "loss", "targets_from_loss"}),
    finish=_finish_entry,
    gather=lambda fields: fields | {"_transpose": fields["layer"] is not None},
)
