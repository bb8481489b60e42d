"""The family of enhancement models that estimate masks: NeMo's EncMaskDecAudioToAudioModel."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.arguments import integer
from jaxspeech.interop.nemo.sections.enhancement import (
    ANALYSIS,
    AUGMENT,
    CONSISTENCY,
    LOSSES,
    MASK_ESTIMATORS,
    MASK_PROCESSORS,
    SYNTHESIS,
)
from jaxspeech.interop.nemo.sections.read import read_section, value_at
from jaxspeech.interop.nemo.sections.write import fields_of, inner, write_section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.enhancement import (
    ESTIMATOR_ROWS,
    POSITIONS_OF_ESTIMATORS,
    reference_rows,
    transform_tensors,
)
from jaxspeech.interop.nemo.weights.rows import TensorRow

CLASS = "EncMaskDecAudioToAudioModel"


def read_transform(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads the transform, whose inverse must have the same settings. Here it returns the last samples too."""
    found = read_section(ANALYSIS, config, "encoder", problems)
    inverse = read_section(SYNTHESIS, config, "decoder", problems)
    if found and inverse and found != inverse:
        problems.append("decoder (must have the settings of the encoder)")
    return found


def write_transform(settings: Any, base: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Writes the sections of the transform, an `STFT`, and its inverse."""
    fields = settings._asdict()
    if settings.window != "hann" or not settings.centred:
        problems.append(f"stft.window {settings.window!r}, centred {settings.centred} (there it is centred, 'hann')")
    tables = {"encoder": ANALYSIS, "decoder": SYNTHESIS}
    return {place: write_section(table, base, place, "", fields, problems) for place, table in tables.items()}


def read_rate(config: Mapping[str, Any], problems: list[str]) -> int:
    """Reads the sample rate, in Hz."""
    try:
        return integer(1, 1 << 20)(config.get("sample_rate"))
    except ValueError as error:
        problems.append(f"sample_rate {config.get('sample_rate')!r} ({error})")
        return 0


def loss_tensors(loss: Any) -> Derived:
    """The weights of the loss, which NeMo saves."""
    weight = getattr(loss, "weight", None)
    return {} if weight is None else {"loss.weight": np.array([weight], np.float32)}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    transform = read_transform(config, problems)
    estimator = read_section(MASK_ESTIMATORS, config, "mask_estimator", problems)
    model = {
        "task": "enhancement",
        "sample_rate": read_rate(config, problems),
        "stft": transform,
        "estimator": estimator,
        "processor": read_section(MASK_PROCESSORS, config, "mask_processor", problems),
        "loss": read_section(LOSSES, config, "loss", problems),
    }
    if config.get("mixture_consistency"):
        model |= read_section(CONSISTENCY, config, "mixture_consistency", problems)
    if config.get("channel_augment"):
        model["channel_augment"] = read_section(AUGMENT, config, "channel_augment", problems)
    if not problems:
        _read_sizes(config, model, problems)
    return model


def _read_sizes(config: Mapping[str, Any], model: dict[str, Any], problems: list[str]) -> None:
    """Reads the number of channels, and checks the sizes that NeMo's configuration has in several places."""
    bins, estimator = model["stft"]["fft_length"] // 2 + 1, model["estimator"]
    expected = {
        "mask_estimator.num_subbands": bins,
        "num_outputs": estimator["num_outputs"],
    }
    for place, value in expected.items():
        if value_at(config, place) != value:
            problems.append(f"{place} {value_at(config, place)!r} (must be {value}, as in the other sections)")
    given = value_at(config, "mask_estimator.num_input_channels")
    # The parameters of other estimators are the same for any number.
    fixed = estimator["name"] == "mask_rnn" and (estimator["magnitudes"] == "none" or estimator["phase_differences"])
    if fixed:
        try:
            model["channels"] = integer(1, 1 << 10)(given)
        except ValueError as error:
            problems.append(f"mask_estimator.num_input_channels {given!r} ({error})")
    elif model.get("mixture_consistency"):
        model["channels"] = 1


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module, config = source.module, source.config
    sections: dict[str, Any] = {"sample_rate": module.sample_rate, "num_outputs": module.estimator.num_outputs}
    sections |= write_transform(module.stft, base, problems)

    def written(table: Any, place: str, ours: str) -> dict[str, Any]:
        fields, name = fields_of(getattr(module, ours)), config[ours].get("name", "")
        return write_section(table, base, place, name, fields, problems)

    estimator = written(MASK_ESTIMATORS, "mask_estimator", "estimator")
    channels = module.channels or inner(base, "mask_estimator").get("num_input_channels")
    if config["estimator"]["name"] == "mask_rnn":
        channels = channels or 1  # NeMo asks for the number of channels after their reduction
    sections["mask_estimator"] = estimator | {"num_subbands": module.stft.num_bins, "num_input_channels": channels}
    sections["mask_processor"] = written(MASK_PROCESSORS, "mask_processor", "processor")
    if getattr(module.processor, "subband_weights", False):
        sections["mask_processor"]["num_subbands"] = module.stft.num_bins
    sections["loss"] = written(LOSSES, "loss", "loss")
    if module.mixture_consistency != "none":
        fields = {"mixture_consistency": module.mixture_consistency}
        sections["mixture_consistency"] = write_section(CONSISTENCY, base, "mixture_consistency", "", fields, problems)
    if module.channel_augment is not None:
        sections["channel_augment"] = written(AUGMENT, "channel_augment", "channel_augment")
    if module.normalize_input:
        problems.append("normalize_input True (with masks)")
    return Written(CLASS, sections, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    estimator = model["estimator"]
    return [*ESTIMATOR_ROWS[estimator["name"]](estimator), *reference_rows(model["processor"])]


def _derived(module: Any) -> Derived:
    return {**transform_tensors(module.stft.fft_length), **loss_tensors(module.loss), POSITIONS_OF_ESTIMATORS: None}


def _remarks(source: Source) -> list[str]:
    if not source.module.stft.exact_tail:
        return []
    return [f"NeMo returns zeros for the samples after the last multiple of {source.module.stft.hop}"]


ENHANCEMENT = Family(
    task="enhancement",
    classes={CLASS: "audio.models.enhancement"},
    sections=(
        *("sample_rate", "num_outputs", "encoder", "decoder", "mask_estimator", "mask_processor"),
        *("mixture_consistency", "channel_augment", "loss"),
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    rows=_rows,
    parts={
        "estimator": NemoPart("estimator", MASK_ESTIMATORS),
        "processor": NemoPart("processor", MASK_PROCESSORS),
        "loss": NemoPart("loss", LOSSES),
        "channel_augment": NemoPart("channel_augment", {}),
    },
    derived=_derived,
    defaults={"skip_nan_grad": False, "optim": None},
    remarks=_remarks,
    suits=lambda model: model.get("processor", {}).get("name") != "spectrum",
)
