"""The family of Sortformer, which finds out who speaks when: models of whole recordings and of streams."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.arguments import number
from jaxspeech.interop.nemo.sections.read import read_section, value_at
from jaxspeech.interop.nemo.sections.sortformer import (
    BCE,
    HEAD,
    HEAD_AND_STREAM,
    STREAM,
    STREAM_SETTINGS,
    TRANSFORMER_LAYERS,
)
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, inner, write_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.sortformer import SORTFORMER_HEAD, SPARE

CLASS = "SortformerEncLabelModel"
LAYERS = {"TransformerEncoder": TRANSFORMER_LAYERS}
MODULES = {"SortformerModules": HEAD_AND_STREAM}
LOSSES = {"BCELoss": BCE}
# The modules of ours that NeMo's class can hold, by our section.
HELD = {"features": "mel", "encoder": "fastconformer"}
# NeMo's floor of the loudest sample, and the weights of its two losses.
FLOOR, WEIGHTS = 1e-3, {"ats_weight": 1.0, "pil_weight": 0.0}
DATA = {"manifest_filepath": None, "batch_size": 1, "shuffle": False}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model(config, problems)
    decoder = read_section(LAYERS, config, "transformer_encoder", problems)
    head = read_section(MODULES, config, "sortformer_modules", problems)
    names = [argument.ours for argument in STREAM]
    stream = {name: head.pop(name) for name in names if name in head}
    loss = read_section(LOSSES, config, "loss", problems) | _weights(config, problems)
    streaming = config.get("streaming_mode", False)
    if not isinstance(streaming, bool):
        problems.append(f"streaming_mode {streaming!r} (can be true, false)")
    if config.get("eps", FLOOR) != FLOOR:
        problems.append(f"eps {config['eps']!r} (can be {FLOOR})")
    model = {"task": "sortformer"} | acoustic | {"decoder": decoder | head, "loss": loss, "scale_audio": not streaming}
    if not problems:
        _check_sizes(config, model, problems)
    return model | ({"streaming": stream} if streaming else {})


def _weights(config: Mapping[str, Any], problems: list[str]) -> dict[str, float]:
    """Reads the weights of the two losses."""
    weights = {}
    for name, default in WEIGHTS.items():
        try:
            weights[name] = number(0, 1e9)(config.get(name, default))
        except ValueError as error:
            problems.append(f"{name} {config[name]!r} ({error})")
    if len(weights) == len(WEIGHTS) and not any(weights.values()):
        problems.append("ats_weight, pil_weight (both are 0)")
    return weights


def _check_sizes(config: Mapping[str, Any], model: Mapping[str, Any], problems: list[str]) -> None:
    """Checks the sizes that NeMo's configuration has in several places."""
    encoder, decoder = model["encoder"], model["decoder"]
    for part, name in HELD.items():
        if model[part]["name"] != name:
            problems.append(f"{part} {model[part]['name']} (can be {name})")
            return
    same = {
        "sortformer_modules.fc_d_model": (512, encoder["output_width"] or encoder["width"]),
        "sortformer_modules.tf_d_model": (192, decoder["width"]),
        "sortformer_modules.subsampling_factor": (8, encoder["subsampling_factor"]),
        "model_defaults.tf_d_model": (None, decoder["width"]),
        "max_num_of_spks": (None, decoder["num_speakers"]),
    }
    for place, (default, expected) in same.items():
        found = value_at(config, place)
        found = default if found is None else found
        if found != expected:
            problems.append(f"{place} {found!r} (must be {expected}, as in the other sections)")
    if encoder["reduction"]:
        problems.append(f"encoder.reduction {encoder['reduction']!r}")
    if decoder["width"] % decoder["num_heads"]:
        problems.append(f"transformer_encoder.hidden_size {decoder['width']} cannot be split into its heads")


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module = source.module
    decoder, encoder, streaming = module.decoder, module.encoder, module.streaming
    if streaming is None and not module.scale_audio:
        problems.append("scale_audio False without streaming")
    sections = acoustic_sections(source, base, problems)
    fields = fields_of(decoder) | {"spare_outputs": True}
    layers = write_section(LAYERS, base, "transformer_encoder", "sortformer", fields, problems)
    sections["transformer_encoder"] = layers | {"attn_layer_dropout": decoder.dropout}
    widths = {"fc_d_model": encoder.output_dim, "tf_d_model": decoder.width}
    head = write_section({"SortformerModules": HEAD}, base, "sortformer_modules", "", fields, problems)
    sections["sortformer_modules"] = head | widths | {"subsampling_factor": encoder.subsampling_factor}
    if streaming is not None:
        sections["sortformer_modules"] |= arguments_of(STREAM_SETTINGS, fields_of(streaming))
    sections["model_defaults"] = inner(base, "model_defaults") | widths
    sections["loss"] = write_section(LOSSES, base, "loss", "", fields_of(module.loss), problems)
    sections |= {name: getattr(module.loss, name) for name in WEIGHTS}
    sections |= {"max_num_of_spks": decoder.num_speakers, "streaming_mode": streaming is not None}
    return Written(CLASS, sections, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*encoder_rows(model["encoder"]), *SORTFORMER_HEAD]


def _written(module: Any) -> Derived:
    """The outputs that NeMo does not use, for a model that lacks them."""
    decoder = module.decoder
    if decoder.spare_outputs:
        return {}
    shape = (decoder.num_speakers, 2 * decoder.width)
    return {f"{SPARE}.weight": np.zeros(shape, np.float32), f"{SPARE}.bias": np.zeros(shape[0], np.float32)}


def _remarks(source: Source) -> list[str]:
    remarks = acoustic_remarks(source)
    if source.module.scale_audio:
        remarks.append("NeMo scales a whole batch by its loudest sample: results depend on the batch")
    return remarks


SORTFORMER = Family(
    task="sortformer",
    classes={CLASS: "asr.models.sortformer_diar_models"},
    sections=(
        *("preprocessor", "spec_augment", "encoder", "transformer_encoder", "sortformer_modules", "loss"),
        *("max_num_of_spks", "streaming_mode", "model_defaults", *WEIGHTS),
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    rows=_rows,
    parts=ACOUSTIC_PARTS
    | {
        "decoder": NemoPart("decoder", LAYERS),
        "loss": NemoPart("loss", {}),
        "streaming": NemoPart("streaming", {}),
    },
    derived=acoustic_derived,
    written=_written,
    defaults={"train_ds": None, "validation_ds": DATA, "optim": None},
    remarks=_remarks,
)
