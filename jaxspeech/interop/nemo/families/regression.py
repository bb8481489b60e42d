"""The family of regression models: a number for each recording."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import acoustic_derived, acoustic_model, acoustic_sections
from jaxspeech.interop.nemo.families.classification import CLASSIFICATION, HEADS, class_remarks
from jaxspeech.interop.nemo.families.family import Source, Written
from jaxspeech.interop.nemo.sections.read import optional_section, read_section
from jaxspeech.interop.nemo.sections.write import fields_of, write_section

CLASS = "EncDecRegressionModel"


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model = acoustic_model(config, problems)
    decoder = read_section(HEADS, config, "decoder", problems)
    # NeMo sets the number of outputs itself, whatever the file says.
    if config.get("is_regression_task") is not True:
        problems.append(f"is_regression_task {config.get('is_regression_task')!r} (must be true)")
    if optional_section(config, "decoder", problems).get("return_logits", True) is not True:
        problems.append("decoder.return_logits false (one number would always be 1)")
    return {"task": "regression"} | model | {"decoder": decoder}


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    sections = acoustic_sections(source, base, problems)
    head = write_section(HEADS, base, "decoder", "pooled", fields_of(source.module.decoder), problems)
    sizes = {"feat_in": source.module.encoder.output_dim, "num_classes": 1, "return_logits": True}
    # NeMo asks for labels, and does not use them.
    labels = base.get("labels") or []
    return Written(CLASS, sections | {"decoder": head | sizes, "is_regression_task": True, "labels": labels}, {})


REGRESSION = CLASSIFICATION._replace(
    task="regression",
    classes={CLASS: "asr.models.classification_models"},
    sections=("preprocessor", "spec_augment", "encoder", "decoder", "labels", "is_regression_task", "loss"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    derived=acoustic_derived,
    written=lambda module: {},
    remarks=class_remarks,
)
