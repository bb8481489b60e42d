"""The family of neural codecs: NeMo's AudioCodecModel with HiFi-GAN's networks.

The discriminators, most of a published file, are neither read nor written: NeMo restores a file without them too.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.forms.weight_norms import with_weight_norms
from jaxspeech.interop.nemo.families.enhancement import read_rate
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.codec import DECODERS, DISTANCES, ENCODERS, LOSS, OF_LOSSES, QUANTIZERS
from jaxspeech.interop.nemo.sections.read import class_name, read_arguments, read_section, value_at
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, write_section
from jaxspeech.interop.nemo.weights.codec import codebook_rows, in_present_names, level_tensors, network_rows
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.features import mel_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.tasks.codec_loss import mel_at
from jaxspeech.types import Variables

CLASS = "AudioCodecModel"
# (section, its tables, the part of ours)
PARTS = (
    ("audio_encoder", ENCODERS, "encoder"),
    ("vector_quantizer", QUANTIZERS, "quantizer"),
    ("audio_decoder", DECODERS, "decoder"),
)
OF_LOSS = tuple(argument.nemo for argument in LOSS.arguments)
# Networks that only training uses, and their keys.
HELPERS = ("discriminator", "use_slm_loss", "slm_encoder", "slm_predictor", "slm_loss_scale", "use_scl_loss")
UNREAD = ("discriminator.{any}", "slm_predictor.{any}", "slm_encoder.{any}", "speaker_encoder.{any}")
# Of an FSQ that is not in groups, whose levels the configuration has too.
UNREAD += ("vector_quantizer.num_levels", "vector_quantizer.dim_base_index")


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model: dict[str, Any] = {"task": "codec", "sample_rate": read_rate(config, problems)}
    for place, table, ours in PARTS:
        model[ours] = read_section(table, config, place, problems)
    found: list[str] = []
    model["loss"] = read_arguments(LOSS, {name: config[name] for name in OF_LOSS if name in config}, "", found)
    problems += [problem.removeprefix(".") for problem in found]
    kinds = {name: class_name(value_at(config, f"{name}_loss._target_")) for name in ("generator", "discriminator")}
    of_classes = {f"{name.title()}{nemo}Loss": ours for ours, nemo in DISTANCES.items() for name in kinds}
    distances = {of_classes.get(kind) for kind in kinds.values()}
    if len(distances) == 1 and None not in distances:
        model["loss"]["distance"] = distances.pop()
    else:
        problems.append(f"generator_loss, discriminator_loss {', '.join(kinds.values())} (must be of the same kind)")
    for name in ("semantic_codec", "semantic_codec_path"):
        if config.get(name):
            problems.append(f"{name} (a second codec inside)")
    if config.get("output_sample_rate") not in (None, config.get("sample_rate")):
        problems.append(f"output_sample_rate {config['output_sample_rate']} (must be the sample rate)")
    if not problems:
        _check_sizes(config, model, problems)
    return model


def _check_sizes(config: Mapping[str, Any], model: Mapping[str, Any], problems: list[str]) -> None:
    """Checks the sizes that NeMo's configuration has in several places."""
    quantizer = model["quantizer"]
    width = quantizer["groups"] * len(quantizer["levels"]) if quantizer["name"] == "fsq" else quantizer["width"]
    expected = {
        "samples_per_frame": math.prod(model["encoder"]["rates"]),
        "audio_encoder.encoded_dim": width,
        "audio_decoder.input_dim": width,
    }
    for place, value in expected.items():
        if value_at(config, place) != value:
            problems.append(f"{place} {value_at(config, place)!r} (must be {value}, as in the other sections)")


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module, config = source.module, source.config
    sections: dict[str, Any] = {"sample_rate": module.sample_rate, "samples_per_frame": module.frame_samples}
    for place, table, ours in PARTS:
        fields, name = fields_of(getattr(module, ours)), config[ours].get("name", "")
        sections[place] = write_section(table, base, place, name, fields, problems)
    sections["audio_decoder"] = sections["audio_decoder"] | {"input_dim": module.quantizer.width}
    sections |= arguments_of(LOSS, fields_of(module.loss))
    if config["quantizer"]["name"] == "fsq":
        sections["commit_loss_scale"] = 0.0  # NeMo refuses it where there is nothing to commit to
    for name in ("generator", "discriminator"):
        kind = f"{name.title()}{DISTANCES[module.loss.distance]}Loss"
        sections[f"{name}_loss"] = {"_target_": f"{OF_LOSSES}.{kind}"}
    return Written(CLASS, sections | {"discriminator": None}, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    rows = [
        row
        for nemo, ours in (("audio_encoder", "encoder"), ("audio_decoder", "decoder"))
        for row in network_rows(nemo, f"params/{ours}", model[ours])
    ]
    quantizer = model["quantizer"]
    return rows + (list(codebook_rows(quantizer)) if quantizer["name"] == "residual" else [])


def _derived(module: Any) -> Derived:
    tensors: dict[str, np.ndarray | None] = dict.fromkeys(UNREAD)
    if hasattr(module.quantizer, "levels"):
        tensors |= level_tensors(module.quantizer.groups, module.quantizer.levels)
    for i in range(len(module.loss.resolutions)):
        mel = mel_at(module.loss, i, module.sample_rate)
        tensors |= mel_tensors(mel, f"mel_loss_fn.mel_features.{i}")
        tensors[f"stft_loss_fn.loss_fns.{i}.window"] = mel.analysis_window.astype(np.float32)
    return tensors


def _folded(source: Source, variables: Variables) -> Variables:
    """The variables with weight norms, and without discriminators."""
    params = with_weight_norms(dict(source.config), variables)[1]["params"]
    return {**variables, "params": {name: value for name, value in params.items() if name != "discriminator"}}


def _remarks(source: Source) -> list[str]:
    if source.module.discriminator is None:
        return []
    return ["NeMo's file is without the discriminators, which training with NeMo would need"]


CODEC = Family(
    task="codec",
    classes={CLASS: "tts.models.audio_codec"},
    sections=(
        *("sample_rate", "output_sample_rate", "samples_per_frame", "generator_loss", "discriminator_loss"),
        *("semantic_codec", "semantic_codec_path"),
        *(place for place, _, _ in PARTS),
        *OF_LOSS,
        *HELPERS,
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    rows=_rows,
    parts={ours: NemoPart(ours, table) for _, table, ours in PARTS},
    derived=_derived,
    renamed=in_present_names,
    folded=_folded,
    remarks=_remarks,
    defaults={"max_steps": 100000, "optim": None},
)
