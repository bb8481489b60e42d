"""The family of generative enhancement models: NeMo's score-based, flow-matching and Schroedinger bridge models."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxspeech.interop.nemo.families.enhancement import (
    ENHANCEMENT,
    read_rate,
    read_transform,
    write_transform,
)
from jaxspeech.interop.nemo.families.family import NemoPart, Source, Written
from jaxspeech.interop.nemo.sections.arguments import Section, flag, number, share
from jaxspeech.interop.nemo.sections.generative import (
    BRIDGE_SAMPLERS,
    BRIDGES,
    EULER,
    FLOW,
    OF_SPECTRA,
    OF_WAVEFORMS,
    PATCHES,
    PREDICTOR_CORRECTOR,
    SDE,
)
from jaxspeech.interop.nemo.sections.read import class_name, read_section
from jaxspeech.interop.nemo.sections.spectra import SPECTRUM_ESTIMATORS
from jaxspeech.interop.nemo.sections.write import fields_of, write_section
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.enhancement import transform_tensors
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.interop.nemo.weights.spectra import SPECTRUM_ROWS

MODELS = "audio.models.enhancement"
PROCESSES = {**SDE, **FLOW, **BRIDGES}


class NemoClass(NamedTuple):
    """Where one of NeMo's classes has its parts.

    Attributes:
      process: key of the section.
      processes: its classes.
      copies: paths of the networks that are stored besides `estimator`, and are the same.
    """

    process: str
    processes: Mapping[str, Section]
    copies: tuple[str, ...] = ()


CLASSES = {
    "ScoreBasedGenerativeAudioToAudioModel": NemoClass(
        "sde", SDE, ("sampler.predictor.reverse_sde.score_estimator", "sampler.corrector.score_estimator")
    ),
    "FlowMatchingAudioToAudioModel": NemoClass("flow", FLOW),
    "SchroedingerBridgeAudioToAudioModel": NemoClass("noise_schedule", BRIDGES, ("sampler.estimator",)),
}
# Those that can be conditioned on the time of a process.
ESTIMATORS = {
    name: section for name, section in SPECTRUM_ESTIMATORS.items() if section.name in ("ncsnpp", "transformer_unet")
}
# NeMo's names of what the network of a flow estimates.
TARGETS = {"conditional_vector_field": "velocity", "data": "data"}
# Added to the peak by which recordings are divided.
EPS = 1e-8


def _class_of(process: str) -> str:
    return next(
        name for name, parts in CLASSES.items() if any(kind.name == process for kind in parts.processes.values())
    )


def _samplers(config: Mapping[str, Any], nemo_class: str) -> Mapping[str, Section]:
    """The classes of a sampler; NeMo has one for two of ours."""
    if CLASSES[nemo_class].processes is BRIDGES:
        sampler = config.get("sampler")
        kind = sampler.get("process", "sde") if isinstance(sampler, Mapping) else "sde"
        return BRIDGE_SAMPLERS["ode" if kind == "ode" else "sde"]
    return PREDICTOR_CORRECTOR if CLASSES[nemo_class].processes is SDE else EULER


def _checked(config: Mapping[str, Any], key: str, default: Any, convert: Any, problems: list[str]) -> Any:
    value = config.get(key, default)
    try:
        return convert(value)
    except ValueError as error:
        problems.append(f"{key} {value!r} ({error})")
        return default


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    nemo_class = class_name(config.get("target"))
    parts = CLASSES[nemo_class]
    model = {
        "task": "generative_enhancement",
        "sample_rate": read_rate(config, problems),
        "stft": read_transform(config, problems),
        "estimator": read_section(ESTIMATORS, config, "estimator", problems),
        "process": read_section(parts.processes, config, parts.process, problems),
        "sampler": read_section(_samplers(config, nemo_class), config, "sampler", problems),
        "loss": _read_loss(config, problems),
        "normalize_input": _checked(config, "normalize_input", False, flag, problems),
    }
    _checked(config, "eps", EPS, number(EPS, EPS), problems)
    if parts.process == "noise_schedule" and config.get("estimator_output") != "data_prediction":
        problems.append(f"estimator_output {config.get('estimator_output')!r} (can be 'data_prediction')")
    if parts.process == "flow":
        model["process"]["estimates"] = _read_target(config, problems)
        model["condition_rate"] = _checked(config, "p_cond", 1.0, share, problems)
        if config.get("ssl_pretrain_masking"):
            model["pretraining"] = read_section(PATCHES, config, "ssl_pretrain_masking", problems)
    return model


def _read_target(config: Mapping[str, Any], problems: list[str]) -> str:
    """Reads what the network of a flow estimates, which NeMo has in two places without a check."""
    first, sampler = config.get("estimator_target", "conditional_vector_field"), config.get("sampler")
    second = sampler.get("estimator_target", "conditional_vector_field") if isinstance(sampler, Mapping) else first
    if first not in TARGETS or first != second:
        problems.append(f"estimator_target {first!r}, sampler.estimator_target {second!r} (must agree)")
    return TARGETS.get(first, "velocity")


def _read_loss(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    if config.get("loss"):
        return {"spectrum": read_section(OF_SPECTRA, config, "loss", problems).get("name", "mse")}
    loss = {}
    for ours, place, table in (("spectrum", "loss_encoded", OF_SPECTRA), ("waveform", "loss_time", OF_WAVEFORMS)):
        if config.get(place):
            loss[ours] = read_section(table, config, place, problems).get("name", "mse")
            loss[f"{ours}_weight"] = _checked(config, f"{place}_weight", 1.0, number(0, 1e6), problems)
        elif config.get("loss_encoded") or config.get("loss_time"):
            loss[f"{ours}_weight"] = 0.0
    return loss


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module, config = source.module, source.config
    nemo_class = _class_of(config["process"]["name"])
    parts = CLASSES[nemo_class]
    sections: dict[str, Any] = {"sample_rate": module.sample_rate, "num_outputs": module.channels}
    sections |= write_transform(module.stft, base, problems)

    def written(table: Mapping[str, Section], place: str, ours: str) -> dict[str, Any]:
        return write_section(table, base, place, config[ours]["name"], fields_of(getattr(module, ours)), problems)

    estimator = written(ESTIMATORS, "estimator", "estimator") | {"in_channels": 2 * module.channels}
    if config["estimator"]["name"] == "transformer_unet":
        estimator["freq_dim"] = module.stft.num_bins
    sections |= {"estimator": estimator, parts.process: written(parts.processes, parts.process, "process")}
    name = config["sampler"]["name"]
    samplers = PREDICTOR_CORRECTOR if parts.process == "sde" else EULER
    if parts.process == "noise_schedule":
        kind = "ode" if name == "bridge_ode" else "sde"
        samplers = BRIDGE_SAMPLERS[kind]
    sections["sampler"] = written(samplers, "sampler", "sampler")
    if parts.process == "noise_schedule":
        sections["sampler"]["process"] = "ode" if name == "bridge_ode" else "sde"
        sections["estimator_output"] = "data_prediction"
    sections["normalize_input"] = module.normalize_input
    sections |= _written_loss(module.loss, base, nemo_class, problems)
    if parts.process == "flow":
        target = next(theirs for theirs, ours in TARGETS.items() if ours == module.process.estimates)
        sections |= {"estimator_target": target, "p_cond": module.condition_rate}
        sections["sampler"]["estimator_target"] = target
        if module.pretraining is not None:
            fields = fields_of(module.pretraining)
            sections["ssl_pretrain_masking"] = write_section(
                PATCHES, base, "ssl_pretrain_masking", "", fields, problems
            )
    elif module.condition_rate != 1 or module.pretraining is not None:
        problems.append("condition_rate and pretraining (except with a flow)")
    return Written(nemo_class, sections, {})


def _written_loss(loss: Any, base: Mapping[str, Any], nemo_class: str, problems: list[str]) -> dict[str, Any]:
    """Writes one loss, of spectra; or both parts, which only NeMo's bridges have."""
    alone = loss.spectrum_weight == 1 and loss.waveform_weight == 0
    if alone and not (CLASSES[nemo_class].processes is BRIDGES and "loss_encoded" in base):
        return {"loss": write_section(OF_SPECTRA, base, "loss", loss.spectrum, {}, problems) | {"ndim": 4}}
    if CLASSES[nemo_class].processes is not BRIDGES:
        problems.append("loss.spectrum_weight and loss.waveform_weight (except with a bridge)")
    sections: dict[str, Any] = {}
    if loss.spectrum_weight:
        encoded = write_section(OF_SPECTRA, base, "loss_encoded", loss.spectrum, {}, problems) | {"ndim": 4}
        sections |= {"loss_encoded": encoded, "loss_encoded_weight": loss.spectrum_weight}
    if loss.waveform_weight:
        time = write_section(OF_WAVEFORMS, base, "loss_time", loss.waveform, {}, problems)
        sections |= {"loss_time": time, "loss_time_weight": loss.waveform_weight}
    return sections


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of the network and of its copies: reading checks that these are equal, writing restores them."""
    rows = SPECTRUM_ROWS[model["estimator"]["name"]](model["estimator"])
    copies = CLASSES[_class_of(model["process"]["name"])].copies
    return [*rows, *(row._replace(nemo=row.nemo.replace("estimator", path, 1)) for path in copies for row in rows)]


def _derived(module: Any) -> Derived:
    return transform_tensors(module.stft.fft_length)


GENERATIVE_ENHANCEMENT = ENHANCEMENT._replace(
    task="generative_enhancement",
    classes=dict.fromkeys(CLASSES, MODELS),
    sections=(
        *("sample_rate", "num_outputs", "encoder", "decoder", "estimator", "estimator_output", "estimator_target"),
        *("sde", "flow", "noise_schedule", "sampler", "normalize_input", "eps", "p_cond", "ssl_pretrain_masking"),
        *("loss", "loss_encoded", "loss_encoded_weight", "loss_time", "loss_time_weight"),
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    rows=_rows,
    parts={
        "estimator": NemoPart("estimator", ESTIMATORS),
        "process": NemoPart("process", PROCESSES),
        "sampler": NemoPart("sampler", {}),
        "loss": NemoPart("loss", {}),
        "pretraining": NemoPart("pretraining", PATCHES),
    },
    derived=_derived,
)
