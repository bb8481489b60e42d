"""The family of vocoders: NeMo's HifiGanModel."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxspeech.builder import build
from jaxspeech.forms.weight_norms import with_weight_norms
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.arguments import flag, number
from jaxspeech.interop.nemo.sections.read import read_section, value_at
from jaxspeech.interop.nemo.sections.vocoder import (
    DEBUG_PERIOD_CHANNELS,
    DEBUG_SCALE_CHANNELS,
    FILTERBANKS,
    GENERATORS,
    PERIOD_CHANNELS,
    SCALE_CHANNELS,
)
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.features import mel_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.vocoder import discriminator_rows, generator_rows, in_present_layout
from jaxspeech.tasks.discriminators import SCALE_TAPS
from jaxspeech.types import Variables

CLASS = "HifiGanModel"
MEL_WEIGHT = 45
# Deviation of the weights of discriminators that were not trained.
UNTRAINED = 0.02
DATA = {"defer_setup": True, "dataset": {"_target_": "nemo.collections.tts.data.vocoder_dataset.VocoderDataset"}}
# Of HifiGanModel, in which they cannot be changed.
PERIODS, NUM_SCALES = (2, 3, 5, 7, 11), 3
CHANNELS = {
    False: {"period_channels": PERIOD_CHANNELS, "scale_channels": SCALE_CHANNELS},
    True: {"period_channels": DEBUG_PERIOD_CHANNELS, "scale_channels": DEBUG_SCALE_CHANNELS},
}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model: dict[str, Any] = {
        "task": "vocoder",
        "features": read_section(FILTERBANKS, config, "preprocessor", problems),
        "generator": read_section(GENERATORS, config, "generator", problems),
    }
    values = {"debug": (flag, False), "l1_loss_factor": (number(0, 1e6), MEL_WEIGHT)}
    found: dict[str, Any] = {}
    for place, (check, default) in values.items():
        try:
            found[place] = check(config.get(place, default))
        except ValueError as error:
            problems.append(f"{place} {config[place]!r} ({error})")
    if problems:
        return model
    mels = value_at(config, "generator.initial_input_size")
    if (80 if mels is None else mels) != model["features"]["num_mels"]:
        problems.append(f"generator.initial_input_size {mels!r} (must be {model['features']['num_mels']}, as nfilt)")
    model["discriminators"] = {"name": "hifigan"} | CHANNELS[found["debug"]]
    return model | {"loss": {"mel_weight": found["l1_loss_factor"]}}


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module, config = source.module, source.config
    fields = fields_of(module.frontend)
    sections: dict[str, Any] = {
        "preprocessor": write_section(FILTERBANKS, base, "preprocessor", "mel", fields, problems)
    }
    fields, name = fields_of(module.generator), config["generator"]["name"]
    sections["generator"] = write_section(GENERATORS, base, "generator", name, fields, problems)
    sections["generator"]["initial_input_size"] = module.frontend.num_mels
    judges = fields_of(module.discriminators)
    debug = [key for key, widths in CHANNELS.items() if all(judges.get(k) == v for k, v in widths.items())]
    if not debug:
        problems.append("discriminators of these sizes, or none: its sizes cannot be chosen")
    sections |= {"debug": bool(debug and debug[0]), "l1_loss_factor": module.loss.mel_weight}
    if module.loss.distance != "squares" or module.loss.resolutions:
        problems.append("loss.distance and loss.resolutions: NeMo's are 'squares' and ()")
    if (module.loss.adversarial_weight, module.loss.feature_weight) != (1, 1):
        problems.append("loss.adversarial_weight and loss.feature_weight: NeMo's are 1")
    return Written(CLASS, sections, {})


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*generator_rows(model["generator"]), *discriminator_rows(PERIODS, NUM_SCALES, SCALE_TAPS)]


def _derived(module: Any) -> Derived:
    compared = module.compared()[0]
    return mel_tensors(module.frontend, "audio_to_melspec_precessor") | mel_tensors(compared, "trg_melspec_fn")


def _renamed(model: Mapping[str, Any], tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    count = len(model["generator"]["block_kernels"])
    return {in_present_layout(name, count): tensor for name, tensor in tensors.items()}


def _folded(source: Source, variables: Variables) -> Variables:
    """The variables with all that NeMo needs: weight norms of the generator, and discriminators."""
    _, variables = with_weight_norms(dict(source.config), variables)
    if "discriminators" not in variables["params"]:
        # A voice keeps none, and NeMo does not restore a vocoder without: these are untrained. They are drawn without
        # the model, whose initialisation takes a minute to compile.
        rng, shapes = np.random.default_rng(0), jax.eval_shape(build(source.config).init, jax.random.key(0))
        new = jax.tree.map(
            lambda leaf: (UNTRAINED * rng.standard_normal(leaf.shape)).astype(np.float32),
            {"params": shapes["params"]["discriminators"], "spectral_norm": shapes["spectral_norm"]},
        )
        own = {"discriminators": new["params"], **variables["params"]}
        variables = {"spectral_norm": new["spectral_norm"], **variables, "params": own}
    return variables


def _remarks(source: Source) -> list[str]:
    del source
    return ["NeMo does not mask what follows a row: in a batch, the end of a shorter one depends on its padding"]


VOCODER = Family(
    task="vocoder",
    classes={CLASS: "tts.models.hifigan"},
    sections=("preprocessor", "generator", "debug", "l1_loss_factor"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {},
    rows=_rows,
    parts={
        "features": NemoPart("frontend", FILTERBANKS),
        "generator": NemoPart("generator", GENERATORS),
        "discriminators": NemoPart("discriminators", {}),
    },
    derived=_derived,
    renamed=_renamed,
    defaults={
        "train_ds": DATA,
        "max_steps": 2_500_000,
        "denoise_strength": 0.0025,
        "optim": {"_target_": "torch.optim.AdamW", "lr": 2e-4, "betas": [0.8, 0.99]},
    },
    folded=_folded,
    remarks=_remarks,
)
