"""The peer's model_config.yaml to our `model` dict.

The tables are in `sections`. What a row cannot translate, and every argument that no table knows, is collected, and all
of it is told at once.
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.arguments import (
    Section,
    integer,
    share,
    translated,
)
from jaxspeech.interop.nemo.sections import (
    AUGMENTATIONS,
    CTC_HEAD,
    DECODERS,
    ENCODERS,
    JOINTS,
    PREPROCESSORS,
    TASKS,
)
from jaxspeech.interop.nemo.sections.decoders import LOSSES

# The peer's beam search that is ours.
BEAM_STRATEGY = "malsd_batch"


def translate_model(config: Mapping[str, Any]) -> dict[str, Any]:
    """The `model` dict that `build` takes.

    Raises:
      ArchiveError: every value and argument that has no counterpart here, in one line.
    """
    problems: list[str] = []
    task = _class(TASKS, config.get("target"), "target", problems)
    features = _section(PREPROCESSORS, config, "preprocessor", problems)
    encoder = _section(ENCODERS, config, "encoder", problems)
    decoder = _section(DECODERS, config, "decoder", problems)
    model = {"task": task, "features": features, "encoder": encoder, "decoder": decoder}
    if config.get("spec_augment"):
        model["spec_augment"] = _section(AUGMENTATIONS, config, "spec_augment", problems)
    if task in ("transducer", "hybrid"):
        model |= _transducer(config, decoder, problems)
    if task == "hybrid":
        model["ctc_weight"] = _aux_ctc(config, problems)
    if problems:
        raise ArchiveError(f"not supported: {'; '.join(problems)}")

    if decoder["vocab_size"] <= 0:
        decoder["vocab_size"] = len(config["decoder"].get("vocabulary") or ())
    return model


def _transducer(config: Mapping[str, Any], decoder: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Puts the joint's fields into the decoder's; returns the sections `loss` and `search`."""
    decoder |= _section(JOINTS, config, "joint", problems)
    loss = _section_or_nothing(config, "loss", problems)
    name = loss.get("loss_name", "default")
    if name not in LOSSES:
        problems.append(f"loss.loss_name {name!r} (can be {', '.join(LOSSES)})")
        return {}
    arguments, section = LOSSES[name]
    fields = translated(section, _section_or_nothing(loss, arguments, problems), f"loss.{arguments}", problems)
    for special in ("durations", "big_blanks"):
        if special in fields:
            decoder[special] = fields.pop(special)
    outputs = len(decoder.get("durations", ())) + len(decoder.get("big_blanks", ()))
    if decoder.pop("extra_outputs", 0) != outputs:
        problems.append(f"joint.num_extra_outputs (its loss {name!r} calls for {outputs})")
    greedy = _section_or_nothing(_section_or_nothing(config, "decoding", problems), "greedy", problems)
    most = greedy.get("max_symbols", greedy.get("max_symbols_per_step")) or 10
    try:
        search = {"max_symbols": integer(1, 10_000)(most)}
    except ValueError as error:
        problems.append(f"decoding.greedy.max_symbols {most!r} ({error})")
        return {}
    return {"loss": fields, "search": search | _beam(_section_or_nothing(config, "decoding", problems), problems)}


def _beam(decoding: Mapping[str, Any], problems: list[str]) -> dict[str, int]:
    """The beam of the strategy that is ours; with any other the search is greedy."""
    if decoding.get("strategy") != BEAM_STRATEGY:
        return {}
    width = _section_or_nothing(decoding, "beam", problems).get("beam_size", 4)
    try:
        return {"beam_size": integer(1, 1024)(width)}
    except ValueError as error:
        problems.append(f"decoding.beam.beam_size {width!r} ({error})")
        return {}


def _section_or_nothing(config: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    section = config.get(name) or {}
    if isinstance(section, Mapping):
        return section
    problems.append(f"{name} {section!r} (must be a section)")
    return {}


def _aux_ctc(config: Mapping[str, Any], problems: list[str]) -> float:
    """The weight of a hybrid's CTC head, whose tokens are the transducer's."""
    section = config.get("aux_ctc")
    if not isinstance(section, Mapping):
        problems.append("aux_ctc is missing")
        return 0.0
    head = _section({"ConvASRDecoder": CTC_HEAD}, section, "decoder", problems)
    size = config["decoder"].get("vocab_size") if isinstance(config.get("decoder"), Mapping) else None
    if head and head["vocab_size"] not in (-1, size):
        problems.append(f"aux_ctc.decoder.num_classes {head['vocab_size']} (its transducer has {size})")
    weight = section.get("ctc_loss_weight", 0.5)
    try:
        return share(weight)
    except ValueError as error:
        problems.append(f"aux_ctc.ctc_loss_weight {weight!r} ({error})")
        return 0.0


def _class(table: Mapping[str, Any], target: Any, place: str, problems: list[str]) -> Any:
    name = str(target).rpartition(".")[2]
    if name not in table:
        problems.append(f"{place} {name} (can be {', '.join(table)})")
    return table.get(name)


def _section(
    table: Mapping[str, Section], config: Mapping[str, Any], place: str, problems: list[str]
) -> dict[str, Any]:
    """Our fields for one part of the peer's model."""
    arguments = config.get(place)
    if not isinstance(arguments, Mapping):
        problems.append(f"{place} is missing")
        return {}
    section = _class(table, arguments.get("_target_"), f"{place}._target_", problems)
    if section is None:
        return {}
    return ({"name": section.name} if section.name else {}) | translated(section, arguments, place, problems)
