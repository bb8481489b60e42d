"""The family of speaker models: TitaNet, SpeakerNet, ECAPA-TDNN."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_rows,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.read import class_name, read_section, value_at
from jaxspeech.interop.nemo.sections.speaker import ANGULAR_LOSS, CROSS_ENTROPY, SPEAKER_HEAD
from jaxspeech.interop.nemo.sections.write import fields_of, inner, write_section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.speaker import speaker_head_rows
from jaxspeech.text.classes import Classes
from jaxspeech.types import Variables

CLASS = "EncDecSpeakerLabelModel"
HEADS = {"SpeakerDecoder": SPEAKER_HEAD}
LOSSES = {"AngularSoftmaxLoss": ANGULAR_LOSS, "CrossEntropyLoss": CROSS_ENTROPY}
# As in the head: a shorter vector is not normalised further.
LEAST_NORM = 1e-12
# The cross-entropy of cosines, as an angular loss.
PLAIN_LOSS = {"scale": 1.0, "margin": 0.0}
# NeMo reads these sections when it restores a model.
DATA = {"manifest_filepath": None, "batch_size": 1, "shuffle": False, "is_tarred": False}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model(config, problems)
    if acoustic["encoder"].get("name") == "ecapa":
        acoustic["encoder"]["padded_to"] = acoustic["features"].get("pad_to", 0)
    decoder = read_section(HEADS, config, "decoder", problems)
    loss: dict[str, Any] = {}
    if config.get("loss"):
        loss = read_section(LOSSES, config, "loss", problems)
    if class_name(value_at(config, "loss._target_")) == "AngularSoftmaxLoss":
        decoder["angular"] = True  # NeMo sets it, whatever the decoder's section says
    elif decoder.get("angular"):
        loss = dict(PLAIN_LOSS)
    return {"task": "speaker"} | acoustic | {"decoder": decoder} | ({"loss": loss} if loss else {})


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module = source.module
    sections = acoustic_sections(source, base, problems)
    head = write_section(HEADS, base, "decoder", "speaker", fields_of(module.decoder), problems)
    sections["decoder"] = head | {"feat_in": module.encoder.output_dim}
    angular = module.decoder.angular and fields_of(module.loss) | PLAIN_LOSS != fields_of(module.loss)
    table = {name: LOSSES[name] for name in (("AngularSoftmaxLoss",) if angular else ("CrossEntropyLoss",))}
    if not angular and module.loss.label_smoothing:
        problems.append(f"loss.label_smoothing {module.loss.label_smoothing}")
    sections["loss"] = write_section(table, base, "loss", "", fields_of(module.loss), problems)
    if not angular:
        sections["loss"]["logits_ndim"] = 2
    rate = {"sample_rate": module.frontend.sample_rate}
    training = DATA | rate | inner(base, "train_ds")
    if "classes" in source.assets:
        training["labels"] = list(source.assets["classes"].names)
    sections["train_ds"] = training
    sections["validation_ds"] = DATA | rate | inner(base, "validation_ds")
    if "labels" in base and "labels" in training:
        sections["labels"] = training["labels"]
    return Written(CLASS, sections, {})


def _assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    """The names of the speakers of the training data, if the file has them."""
    del file
    names = value_at(config, "train_ds.labels") or config.get("labels")
    if not names:
        return {}
    if not isinstance(names, list) or len(names) != model["decoder"]["num_classes"]:
        raise ArchiveError(f"train_ds.labels: not the names of {model['decoder']['num_classes']} speakers")
    try:
        return {"classes": Classes(map(str, names))}
    except ConfigError as error:
        raise ArchiveError(f"train_ds.labels: {error}") from error


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*acoustic_rows(model), *speaker_head_rows(model["decoder"])]


def _folded(source: Source, variables: Variables) -> Variables:
    """The variables with a normalised classifier: NeMo's does not normalise its weights."""
    head = source.module.decoder
    if not (head.angular and head.normalize_weights):
        return variables
    params = variables["params"]
    kernel = np.asarray(params["decoder"]["classifier"]["kernel"], np.float32)
    classifier = {"kernel": kernel / np.maximum(np.linalg.norm(kernel, axis=0), LEAST_NORM)}
    return {**variables, "params": {**params, "decoder": {**params["decoder"], "classifier": classifier}}}


def _remarks(source: Source) -> list[str]:
    remarks = acoustic_remarks(source)
    if source.module.decoder.angular and source.module.decoder.normalize_weights:
        remarks.append("if NeMo trains it further, its classifier's weights will not be normalised")
    return remarks


def _derived(module: Any) -> Derived:
    # The weights of the classes, if the loss has them.
    return {**acoustic_derived(module), "loss.weight": None}


SPEAKER = Family(
    task="speaker",
    classes={CLASS: "asr.models.label_models"},
    sections=("preprocessor", "spec_augment", "encoder", "decoder", "loss", "labels"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=_assets,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", HEADS)},
    derived=_derived,
    defaults={"test_ds": None, "optim": None},
    folded=_folded,
    remarks=_remarks,
)
