"""The family of enhancement models that estimate spectra: NeMo's PredictiveAudioToAudioModel."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.enhancement import (
    ENHANCEMENT,
    loss_tensors,
    read_rate,
    read_transform,
    write_transform,
)
from jaxspeech.interop.nemo.families.family import NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.arguments import flag, integer, number
from jaxspeech.interop.nemo.sections.enhancement import LOSSES
from jaxspeech.interop.nemo.sections.read import class_name, read_section, value_at
from jaxspeech.interop.nemo.sections.spectra import SPECTRUM_ESTIMATORS
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.enhancement import transform_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.spectra import SPECTRUM_POSITIONS, SPECTRUM_ROWS

CLASS = "PredictiveAudioToAudioModel"
# The key for the number of bins, where NeMo's estimator has one.
BINS = {
    "SpectrogramConformer": "feat_in",
    "SpectrogramConformerUNet": "feat_in",
    "SpectrogramTransformerUNet": "freq_dim",
}
# NeMo's defaults for them.
DEFAULT_BINS = {"freq_dim": 256}
# Added to the peak by which recordings are divided.
EPS = 1e-8


def read_sizes(config: Mapping[str, Any], model: Mapping[str, Any], problems: list[str]) -> int:
    """Returns the number of channels that go into the estimator, and checks the sizes that NeMo has in several places.

    Args:
      config: NeMo's configuration.
      model: ours, with the sections `stft` and `estimator`.
      problems: see `Family`.
    """
    bins = model["stft"]["fft_length"] // 2 + 1
    key = BINS.get(class_name(value_at(config, "estimator._target_")))
    found = {"num_outputs": (config.get("num_outputs"), model["estimator"]["num_outputs"])}
    if key:
        given = value_at(config, f"estimator.{key}")
        found[f"estimator.{key}"] = DEFAULT_BINS.get(key) if given is None else given, bins
    for place, (given, expected) in found.items():
        if given != expected:
            problems.append(f"{place} {given!r} (must be {expected}, as in the other sections)")
    channels = config["estimator"].get("in_channels", 1)
    try:
        return integer(1, 256)(channels)
    except ValueError as error:
        problems.append(f"estimator.in_channels {channels!r} ({error})")
        return 1


def write_estimator(source: Source, base: Mapping[str, Any], channels: int, problems: list[str]) -> dict[str, Any]:
    """Writes the section of the estimator, with so many channels going in."""
    module = source.module
    name, fields = source.config["estimator"]["name"], fields_of(module.estimator)
    section = write_section(SPECTRUM_ESTIMATORS, base, "estimator", name, fields, problems)
    section["in_channels"] = channels
    if key := BINS.get(class_name(section.get("_target_"))):
        section[key] = module.stft.num_bins
    return section


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model: dict[str, Any] = {
        "task": "enhancement",
        "sample_rate": read_rate(config, problems),
        "stft": read_transform(config, problems),
        "estimator": read_section(SPECTRUM_ESTIMATORS, config, "estimator", problems),
        "processor": {"name": "spectrum"},
        "loss": read_section(LOSSES, config, "loss", problems),
    }
    checks = {"normalize_input": (flag, False), "eps": (number(EPS, EPS), EPS)}
    for place, (check, default) in checks.items():
        try:
            value = check(config.get(place, default))
        except ValueError as error:
            problems.append(f"{place} {config[place]!r} ({error})")
            continue
        model |= {place: value} if place == "normalize_input" else {}
    if model["estimator"].get("conditioned_on_time"):
        problems.append("estimator is conditioned on the time of a process (must not be, in a predictive model)")
    if not problems:
        model["channels"] = read_sizes(config, model, problems)
    return model


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module, config = source.module, source.config
    sections: dict[str, Any] = {"sample_rate": module.sample_rate, "num_outputs": module.estimator.num_outputs}
    sections |= {"normalize_input": module.normalize_input} | write_transform(module.stft, base, problems)
    sections["estimator"] = write_estimator(source, base, module.channels, problems)
    sections["loss"] = write_section(LOSSES, base, "loss", config["loss"]["name"], fields_of(module.loss), problems)
    for name, absent in (("mixture_consistency", "none"), ("channel_augment", None)):
        if getattr(module, name) != absent:
            problems.append(f"{name} (NeMo has it for masks only)")
    return Written(CLASS, sections, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return SPECTRUM_ROWS[model["estimator"]["name"]](model["estimator"])


def _derived(module: Any) -> Derived:
    return {**transform_tensors(module.stft.fft_length), **loss_tensors(module.loss), SPECTRUM_POSITIONS: None}


def _remarks(source: Source) -> list[str]:
    remarks = list(ENHANCEMENT.remarks(source))
    if source.config["estimator"]["name"] == "ncsnpp" and not source.module.estimator.norm_over_padding:
        remarks.append("NeMo's norms count the padding: in a batch, its outputs depend on the longest recording")
    return remarks


PREDICTIVE_ENHANCEMENT = ENHANCEMENT._replace(
    classes={CLASS: "audio.models.enhancement"},
    sections=("sample_rate", "num_outputs", "encoder", "decoder", "estimator", "normalize_input", "eps", "loss"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    rows=_rows,
    parts={"estimator": NemoPart("estimator", SPECTRUM_ESTIMATORS), "loss": NemoPart("loss", LOSSES)},
    derived=_derived,
    remarks=_remarks,
    suits=lambda model: model["processor"]["name"] == "spectrum",
)
