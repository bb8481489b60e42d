"""The family of transducers that follow one speaker among several: an encoder with speaker kernels."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import acoustic_derived
from jaxspeech.interop.nemo.families.family import Family, Source, Written
from jaxspeech.interop.nemo.families.languages import with_languages
from jaxspeech.interop.nemo.families.tokens import NO_TRAINING, RECOGNITION_SECTIONS, nemo_tokens, recognition_assets
from jaxspeech.interop.nemo.families.transducer import (
    TRANSDUCER_PARTS,
    transducer_model,
    transducer_remarks,
    transducer_rows,
    transducer_sections,
)
from jaxspeech.interop.nemo.sections.arguments import flag, integer
from jaxspeech.interop.nemo.sections.read import value_at
from jaxspeech.interop.nemo.weights.rows import TensorRow, linear

CLASS = "EncDecMultiTalkerRNNTBPEModel"
KERNEL_SECTIONS = ("spk_kernel_type", "spk_kernel_layers", "add_bg_spk_kernel")


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model = transducer_model(config, problems)
    if model["encoder"].get("name") == "fastconformer":
        model["encoder"] |= _kernels(config, model["encoder"], problems)
    else:
        problems.append("encoder (only a Conformer has speaker kernels)")
    return {"task": "multitalker"} | model


def _kernels(config: Mapping[str, Any], encoder: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads the encoder's fields for its speaker kernels, which NeMo's configuration has at its top."""
    kind, layers = config.get("spk_kernel_type"), config.get("spk_kernel_layers")
    if kind != "ff":
        problems.append(f"spk_kernel_type {kind!r} (can be 'ff')")
    width, size = encoder.get("width"), value_at(config, "model_defaults.enc_hidden")
    if size != width:
        problems.append(f"model_defaults.enc_hidden {size!r} (its speaker kernels must be as wide as its layers)")
    try:
        if not isinstance(layers, list | tuple) or not layers:
            raise ValueError("must be a list of layers")
        places = sorted({integer(0, encoder.get("num_layers", 0))(place) for place in layers})
    except ValueError as error:
        problems.append(f"spk_kernel_layers {layers!r} ({error})")
        return {}
    background = config.get("add_bg_spk_kernel", True)
    try:
        return {"speaker_kernels": places, "background_kernels": flag(background)}
    except ValueError as error:
        problems.append(f"add_bg_spk_kernel {background!r} ({error})")
        return {}


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    encoder = source.module.encoder
    tokens = nemo_tokens(source)
    if not tokens.section:
        problems.append("a tokenizer of characters (its model for several speakers needs pieces: bpe or unigram)")
    sections = transducer_sections(source, tokens, base, problems) | {
        "labels": tokens.labels,
        "spk_kernel_type": "ff",
        "spk_kernel_layers": list(encoder.speaker_kernels),
        "add_bg_spk_kernel": encoder.background_kernels,
    }
    return Written(CLASS, with_languages(source, base, sections), tokens.files)


def kernel_rows(encoder: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the speaker kernels. NeMo's numbers count the activation and the dropout between the projections."""
    networks = {"spk_kernels": "target"} | ({"bg_spk_kernels": "background"} if encoder["background_kernels"] else {})
    rows = []
    for place in encoder["speaker_kernels"]:
        for nemo, ours in networks.items():
            path = f"params/encoder/speaker_kernel_{place}/{ours}"
            rows += linear(f"{nemo}.{place}.0", f"{path}/up") + linear(f"{nemo}.{place}.3", f"{path}/down")
    return rows


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*transducer_rows(model), *kernel_rows(model["encoder"])]


MULTITALKER = Family(
    task="multitalker",
    classes={CLASS: "asr.models.multitalker_asr_models"},
    sections=(*RECOGNITION_SECTIONS, *KERNEL_SECTIONS),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=recognition_assets,
    rows=_rows,
    parts=TRANSDUCER_PARTS,
    derived=acoustic_derived,
    defaults=NO_TRAINING,
    remarks=transducer_remarks,
)
