"""The family of text-to-mel models: NeMo's FastPitchModel with a learnt aligner."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.assets import Assets
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.families.fastpitch_speakers import converted, read_speakers, write_speakers
from jaxspeech.interop.nemo.sections.arguments import flag, integer, number, size
from jaxspeech.interop.nemo.sections.fastpitch import (
    ALIGNER,
    FLAGS,
    PREDICTOR,
    STACK_OF_FRAMES,
    STACK_OF_SYMBOLS,
    WAYS_FIELD,
)
from jaxspeech.interop.nemo.sections.features import MEL, MEL_IN_SAMPLES
from jaxspeech.interop.nemo.sections.read import read_section, value_at
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.text_tokenizer import read_front_end
from jaxspeech.interop.nemo.text_tokenizer_files import differences, write_text_tokenizer
from jaxspeech.interop.nemo.weights.fastpitch import (
    STATISTICS,
    WORDS,
    fastpitch_rows,
    fastpitch_tensors,
    in_one_place,
)
from jaxspeech.types import Variables

CLASS = "FastPitchModel"
# Our sections of modules, in NeMo's places and of its classes.
MODULES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "encoder": ("input_fft", STACK_OF_SYMBOLS),
    "decoder": ("output_fft", STACK_OF_FRAMES),
    "duration": ("duration_predictor", PREDICTOR),
    "pitch": ("pitch_predictor", PREDICTOR),
    "energy": ("energy_predictor", PREDICTOR),
    "aligner": ("alignment_module", ALIGNER),
}
# Values at the top of NeMo's configuration: ours, default, conversion.
VALUES: dict[str, tuple[str, Any, Any]] = {
    "pitch_embedding_kernel_size": ("pitch_kernel", 3, integer(1, 1 << 10)),
    "energy_embedding_kernel_size": ("energy_kernel", 3, integer(0, 1 << 10)),
    "min_token_duration": ("least_duration", 0, integer(0, 1 << 14)),
    "max_token_duration": ("most_duration", 75, integer(0, 1 << 14)),
    "use_log_energy": ("log_energy", True, flag),
}
SCALES = {
    "dur_loss_scale": ("duration", 0.1),
    "pitch_loss_scale": ("pitch", 0.1),
    "energy_loss_scale": ("energy", 0.1),
    "aligner_loss_scale": ("alignment", 1.0),
}
DATA = {"defer_setup": True, "dataset": {"_target_": "nemo.collections.tts.data.dataset.TTSDataset"}}


def _features(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of the preprocessor: lengths are in samples, or in seconds."""
    in_samples = value_at(config, "preprocessor.n_window_size")
    return {"AudioToMelSpectrogramPreprocessor": MEL_IN_SAMPLES if in_samples else MEL}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    if config.get("learn_alignment") is not True:
        problems.append(
            "learn_alignment (must be True: without an aligner, it learnt from files of durations, which NeMo reads no "
            "more)"
        )
    model: dict[str, Any] = {
        "task": "speech",
        "features": read_section(_features(config), config, "preprocessor", problems),
    }
    ways: dict[str, tuple[str, ...]] = {}
    for ours, (place, table) in MODULES.items():
        if ours == "energy" and not config.get(place):
            continue
        model[ours] = read_section(table, config, place, problems)
        ways[ours] = model[ours].pop(WAYS_FIELD, ())
    for place, (ours, default, convert) in VALUES.items():
        model[ours] = converted(config, place, default, convert, problems)
    if not config.get("energy_predictor"):
        del model["energy_kernel"]
    model["loss"] = {
        ours: converted(config, place, default, number(0, 1e9), problems) for place, (ours, default) in SCALES.items()
    }
    # The weight of the binarization loss grows with NeMo's epochs, which a file does not know.
    model["loss"]["binarization_warmup"] = 0
    if not problems:
        _check_sizes(config, model, problems)
    model |= read_speakers(config, model, ways, problems)
    if "energy" in model:
        model["energy"].pop("name", None)
    return model


def _check_sizes(config: Mapping[str, Any], model: dict[str, Any], problems: list[str]) -> None:
    """Checks the sizes that NeMo's configuration has in several places, and leaves them out of ours."""
    width, bands = model["encoder"]["width"], model["features"]["num_mels"]
    same = {
        "output_fft.d_model": (model["decoder"]["width"], width),
        "symbols_embedding_dim": (config.get("symbols_embedding_dim"), width),
        "n_mel_channels": (config.get("n_mel_channels"), bands),
        "alignment_module.n_mel_channels": (model["aligner"].pop("bands"), bands),
        "alignment_module.n_text_channels": (model["aligner"].pop("input_width"), width),
    }
    for ours in ("duration", "pitch", "energy"):
        if ours in model:
            same[f"{MODULES[ours][0]}.input_size"] = model[ours].pop("input_width"), width
    for place, (found, expected) in same.items():
        if found != expected:
            problems.append(f"{place} {found!r} (must be {expected}, as in the other sections)")


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module = source.module
    width, bands = module.encoder.width, module.frontend.num_features
    ways = {name: getattr(module.speakers, name) if module.speakers else () for name in MODULES}
    sections: dict[str, Any] = {"learn_alignment": True, "sample_rate": module.frontend.sample_rate}
    sizes = {"n_mel_channels": bands, "symbols_embedding_dim": width}
    features = {"AudioToMelSpectrogramPreprocessor": MEL_IN_SAMPLES}
    sections["preprocessor"] = write_section(
        features, base, "preprocessor", "mel", fields_of(module.frontend), problems
    ) | {"window_size": False, "window_stride": False}
    for ours, (place, table) in MODULES.items():
        part = getattr(module, ours)
        if part is not None:
            name = next(iter(table.values())).name
            fields = fields_of(part) | {WAYS_FIELD: ways[ours], "input_width": width, "bands": bands}
            sections[place] = write_section(table, base, place, name, fields, problems)
    for place, (ours, _, _) in VALUES.items():
        if module.energy is not None or "energy" not in place:
            sections[place] = getattr(module, ours)
    sections |= {place: getattr(module.loss, ours) for place, (ours, _) in SCALES.items()}
    if module.loss.mel != 1:
        problems.append(f"loss.mel {module.loss.mel} (there it is 1)")
    sections |= sizes | write_speakers(source, base, problems)
    tokenizer, files = write_text_tokenizer(source.assets, base, problems)
    return Written(CLASS, sections | {"text_tokenizer": tokenizer}, files)


def _with_stored(model: dict[str, Any], tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the number of symbols, and the statistics of the pitch if the file has any."""
    found = dict(model)
    if WORDS in tensors and len(tensors[WORDS].shape) == 2:
        found["vocab_size"] = size(int(tensors[WORDS].shape[0]))
    for name, ours in STATISTICS.items():
        value = float(np.asarray(tensors[name], np.float32).reshape(-1)[0]) if name in tensors else 0.0
        if value and np.isfinite(value):
            found[ours] = value
    return found


def _completed(model: dict[str, Any], assets: Assets) -> dict[str, Any]:
    front_end = assets.get("front_end")
    return model if front_end is None else model | {"vocab_size": front_end.tokenizer.vocab_size}


def _folded(source: Source, variables: Variables) -> Variables:
    """Without the number of updates, which NeMo counts elsewhere."""
    return {name: tree for name, tree in variables.items() if name != "schedule"}


def _remarks(source: Source) -> list[str]:
    masks = "NeMo does not mask what follows a text between convolutions: in a batch, its shorter texts differ"
    return [masks, *differences(source.assets)]


FASTPITCH = Family(
    task="speech",
    classes={CLASS: "tts.models.fastpitch"},
    sections=(
        *("learn_alignment", "sample_rate", "preprocessor", "text_tokenizer", "n_speakers", "speaker_encoder"),
        *("n_mel_channels", "symbols_embedding_dim", *VALUES, *SCALES, *FLAGS),
        *(place for place, _ in MODULES.values()),
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=lambda file, config, model: {"front_end": read_front_end(file, config, model.get("vocab_size"))},
    completed=_completed,
    rows=fastpitch_rows,
    renamed=in_one_place,
    parts={
        "features": NemoPart("frontend", {"AudioToMelSpectrogramPreprocessor": MEL_IN_SAMPLES}),
        **{ours: NemoPart(ours, {}) for ours in (*MODULES, "speakers", "style")},
    },
    derived=fastpitch_tensors,
    with_stored=_with_stored,
    folded=_folded,
    defaults={"train_ds": DATA, "validation_ds": DATA, "optim": None, "bin_loss_warmup_epochs": 100},
    remarks=_remarks,
)
