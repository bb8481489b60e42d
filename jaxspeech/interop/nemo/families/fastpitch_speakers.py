"""Translates the speakers and style tokens of text-to-mel models between our sections and NeMo's, which has two ways.

A table of vectors alone is `n_speakers`, whose flags say what they are added to; or it is within `speaker_encoder`, as
it is with style tokens, and each module has its `condition_types`.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.sections.arguments import flag, integer
from jaxspeech.interop.nemo.sections.fastpitch import (
    FLAGS,
    IMAGE_CONV,
    REFERENCE_ENCODER,
    SPEAKER_ENCODER,
    STYLE,
    TABLE,
    WAYS,
)
from jaxspeech.interop.nemo.sections.read import class_name, optional_section, read_section
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.weights.fastpitch import in_encoder


def converted(config: Mapping[str, Any], place: str, default: Any, convert: Any, problems: list[str]) -> Any:
    """Reads a value at the top of NeMo's configuration; null is the default."""
    value = config.get(place)
    try:
        return convert(default if value is None else value)
    except ValueError as error:
        problems.append(f"{place} {value!r} ({error})")
        return default


def read_speakers(
    config: Mapping[str, Any], model: Mapping[str, Any], ways: dict[str, tuple[str, ...]], problems: list[str]
) -> dict[str, Any]:
    """Reads the sections `speakers` and `style`."""
    given, found = optional_section(config, "speaker_encoder", problems), {}
    count = converted(config, "n_speakers", 0, integer(0, 1 << 20), problems)
    number, several = count if count > 1 else 0, count > 1
    if given:
        number = 0
        known = ("_target_", "lookup_module", "gst_module", "precomputed_embedding_dim")
        problems += [f"speaker_encoder.{name} (unknown)" for name in given if name not in known]
        if class_name(given.get("_target_")) != class_name(SPEAKER_ENCODER):
            problems.append(f"speaker_encoder._target_ {given.get('_target_')} (can be {class_name(SPEAKER_ENCODER)})")
        if given.get("precomputed_embedding_dim") is not None:
            problems.append("speaker_encoder.precomputed_embedding_dim (the vector of one recording)")
        if given.get("lookup_module"):
            table = read_section(TABLE, config, "speaker_encoder.lookup_module", problems)
            number = table.get("number", 0)
        if given.get("gst_module"):
            found["style"] = _style(config, model, problems)
        elif not number:
            problems.append("speaker_encoder (must have a lookup_module, a gst_module, or both)")
    if several:
        ways["encoder"] = _joined(ways.get("encoder", ()), "add")
    for name, modules in FLAGS.items():
        if converted(config, name, False, flag, problems):
            for module in modules:
                ways[module] = _joined(ways.get(module, ()), "add")
    if number or "style" in found:
        # Without a predictor of energy, what it depends on is what we would say of any model.
        found["speakers"] = {"number": number, **ways, "energy": ways.get("energy", ("add",))}
    elif any(ways.values()):
        problems.append("condition_types (there is nothing to depend on: one speaker, and no speaker_encoder)")
    return found


def _joined(ways: tuple[str, ...], way: str) -> tuple[str, ...]:
    return tuple(each for each in WAYS if each in (*ways, way))


def _style(config: Mapping[str, Any], model: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    style = read_section(STYLE, config, "speaker_encoder.gst_module", problems)
    reference = read_section(REFERENCE_ENCODER, config, "speaker_encoder.gst_module.reference_encoder", problems)
    width, bands = model.get("encoder", {}).get("width"), model.get("features", {}).get("num_mels")
    for place, found, expected in (
        ("gst_size", style.get("width"), width),
        ("reference_encoder.gru_hidden", reference.pop("width", None), width),
        ("reference_encoder.n_mels", reference.pop("bands", None), bands),
    ):
        if found != expected:
            problems.append(f"speaker_encoder.gst_module.{place} {found!r} (must be {expected}, as elsewhere)")
    return style | reference


def write_speakers(source: Source, base: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Writes the number of speakers, and what makes their vectors."""
    module = source.module
    if module.speakers is None:
        return {"n_speakers": 1}
    number, adds = module.speakers.number, "add" in module.speakers.encoder
    if not in_encoder(source.config):
        return {"n_speakers": number}
    encoder: dict[str, Any] = {"_target_": SPEAKER_ENCODER}
    width, bands = module.encoder.width, module.frontend.num_features
    if number:
        table = {"number": number, "input_width": width}
        encoder["lookup_module"] = write_section(TABLE, base, "speaker_encoder.lookup_module", "", table, problems)
    if module.style is not None:
        fields = fields_of(module.style)
        style = write_section(STYLE, base, "speaker_encoder.gst_module", "", fields, problems)
        place = "speaker_encoder.gst_module.reference_encoder"
        reference = write_section(REFERENCE_ENCODER, base, place, "", fields | {"bands": bands}, problems)
        encoder["gst_module"] = style | {"reference_encoder": reference | IMAGE_CONV}
    # Where there are several, NeMo adds them to the encoder's input.
    return {"n_speakers": number if adds and number > 1 else 1, "speaker_encoder": encoder}
