"""The family of classifiers of recordings: commands, voice activity of clips, any labels."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.families.labels import (
    WEIGHTS,
    class_assets,
    nemo_labels,
    nemo_loss,
    read_class_weights,
    read_labels,
    weight_tensors,
    with_class_weights,
)
from jaxspeech.interop.nemo.sections.classification import POOLED_HEAD
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.sections.write import fields_of, inner, write_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, linear

CLASS = "EncDecClassificationModel"
HEADS = {"ConvASRDecoderClassification": POOLED_HEAD}
HEAD_ROWS = linear("decoder.decoder_layers.0", "params/decoder/out", dense)
# NeMo reads the labels from there when it transcribes.
NO_TRAINING: dict[str, Any] = {"train_ds": None, "validation_ds": None, "optim": None}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    if config.get("is_regression_task"):
        problems.append("is_regression_task true (a number for each recording)")
    model = acoustic_model(config, problems)
    decoder = read_section(HEADS, config, "decoder", problems)
    names = read_labels(config, problems)
    weights = read_class_weights(config, len(names), problems)
    return {"task": "classification"} | model | {"decoder": decoder, "num_classes": len(names)} | weights


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    sections = acoustic_sections(source, base, problems)
    head = write_section(HEADS, base, "decoder", "pooled", fields_of(source.module.decoder), problems)
    labels = nemo_labels(source)
    sections["decoder"] = head | {"feat_in": source.module.encoder.output_dim, "num_classes": len(labels)}
    sections |= {"labels": labels, "num_classes": len(labels)}
    if source.module.class_weights or "loss" in base:
        sections["loss"] = nemo_loss(source, inner(base, "loss"))
    return Written(CLASS, sections, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*encoder_rows(model["encoder"]), *HEAD_ROWS]


def class_remarks(source: Source) -> list[str]:
    """Lists what NeMo does differently with a classifier."""
    remarks = acoustic_remarks(source)
    if getattr(source.module, "label_smoothing", 0):
        remarks.append("NeMo does not smooth labels: if it trains the model further, it will do so without")
    if source.config["decoder"]["name"] == "pooled":
        remarks.append("NeMo pools over the padding too: its results for a batch depend on the longest recording")
    return remarks


CLASSIFICATION = Family(
    task="classification",
    classes={CLASS: "asr.models.classification_models"},
    sections=("preprocessor", "spec_augment", "encoder", "decoder", "labels", "num_classes", "loss"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=class_assets,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", HEADS)},
    derived=lambda module: {**acoustic_derived(module), WEIGHTS: None},
    written=weight_tensors,
    with_stored=with_class_weights,
    defaults=NO_TRAINING,
    remarks=class_remarks,
)
