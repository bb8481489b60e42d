"""The family of classifiers of frames: voice activity, any labels of frames."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.classification import CLASSIFICATION, class_remarks
from jaxspeech.interop.nemo.families.family import NemoPart, Source, Written
from jaxspeech.interop.nemo.families.labels import (
    WEIGHTS,
    nemo_labels,
    nemo_loss,
    read_class_weights,
    read_labels,
    weight_tensors,
)
from jaxspeech.interop.nemo.sections.classification import FRAME_HEAD
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.sections.write import fields_of, inner, write_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow, dense, linear

CLASS = "EncDecFrameClassificationModel"
HEADS = {"MultiLayerPerceptron": FRAME_HEAD}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model = acoustic_model(config, problems)
    decoder = read_section(HEADS, config, "decoder", problems)
    names = read_labels(config, problems)
    weights = read_class_weights(config, len(names), problems)
    return {"task": "frame_classification"} | model | {"decoder": decoder, "num_classes": len(names)} | weights


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    if source.module.multi_label:
        problems.append("model.multi_label true")
    sections = acoustic_sections(source, base, problems)
    head = write_section(HEADS, base, "decoder", "frames", fields_of(source.module.decoder), problems)
    labels = nemo_labels(source)
    sizes = {"hidden_size": source.module.encoder.output_dim, "num_classes": len(labels)}
    # NeMo's loss takes logits.
    sections["decoder"] = {"log_softmax": False, **head, **sizes}
    sections |= {"labels": labels, "num_classes": len(labels)}
    sections["loss"] = {"logits_ndim": 3, **nemo_loss(source, inner(base, "loss"))}
    return Written(CLASS, sections, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    # NeMo numbers the activations between the projections too.
    last = model["decoder"]["num_layers"] - 1
    rows = [*encoder_rows(model["encoder"]), *linear(f"decoder.layer{2 * last}", "params/decoder/out", dense)]
    for i in range(last):
        rows += linear(f"decoder.layer{2 * i}", f"params/decoder/hidden_{i}", dense)
    return rows


# The assets, the sections and the defaults are those of clips.
FRAME_CLASSIFICATION = CLASSIFICATION._replace(
    task="frame_classification",
    classes={CLASS: "asr.models.classification_models"},
    to_model=_to_model,
    to_nemo=_to_nemo,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", HEADS)},
    derived=lambda module: {**acoustic_derived(module), WEIGHTS: None},
    written=lambda module: weight_tensors(module, always=True),
    remarks=class_remarks,
)
