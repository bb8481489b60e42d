"""Our `model` dict as the peer's model_config.yaml: the tables of `sections`, read the other way.

What the tables do not know (data sets, optimizer, options of the decoding, ...) is as it was, if the model came from
the peer. The result is translated back, and every field that would not return is told at once.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxspeech.configuration import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.arguments import Section
from jaxspeech.interop.nemo.config import translate_model
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

VERSION = "3.0.0"  # of the peer that reads what we write
MODELS, MODULES = "nemo.collections.asr.models", "nemo.collections.asr.modules"
# The files of the peer's model classes.
FILES = {
    "EncDecCTCModelBPE": "ctc_bpe_models",
    "EncDecCTCModel": "ctc_models",
    "EncDecRNNTBPEModel": "rnnt_bpe_models",
    "EncDecRNNTModel": "rnnt_models",
    "EncDecHybridRNNTCTCBPEModel": "hybrid_rnnt_ctc_bpe_models",
    "EncDecHybridRNNTCTCModel": "hybrid_rnnt_ctc_models",
}
# The peer looks into validation_ds while it transcribes.
NO_TRAINING = {
    "train_ds": None,
    "validation_ds": {"manifest_filepath": None, "use_start_end_token": False},
    "optim": None,
}
# Sections that are the model's own, of which nothing is left where the model has no such part.
OWN = ("preprocessor", "spec_augment", "encoder", "decoder", "joint", "loss", "aux_ctc", "tokenizer", "labels")
# Fields that change time and memory, and numbers by no more than rounding.
WITHOUT_EFFECT = ("scan_layers", "remat", "dtype", "parent", "name")

# A section of the peer's configuration: its classes, its key, the name and the fields of our module.
Part = Callable[..., dict[str, Any]]


def peer_config(
    model: Mapping[str, Any], *, pieces: Sequence[str], tokenizer: Mapping[str, Any] | None, base: Mapping[str, Any]
) -> dict[str, Any]:
    """The peer's configuration.

    Args:
      model: as `build` takes it.
      pieces: of its tokenizer.
      tokenizer: the peer's section of that name; None where tokens are characters.
      base: the peer's configuration that the model came with; {} for a model of ours.
    Raises:
      ArchiveError: everything that the peer cannot have, in one line.
    """
    module, labels = build(model).model, list(pieces)
    problems: list[str] = []

    def part(table: Mapping[str, Section], place: str, name: str, fields: Any, inside: Any = base) -> dict[str, Any]:
        return _part(table, _inner(inside, place), name, fields, place, problems)

    config = NO_TRAINING | {key: value for key, value in base.items() if key not in OWN}
    config |= {"target": _model_class(model["task"], with_tokenizer=tokenizer is not None), "nemo_version": VERSION}
    config["sample_rate"] = module.frontend.sample_rate
    config["preprocessor"] = part(PREPROCESSORS, "preprocessor", model["features"]["name"], _fields(module.frontend))
    if module.spec_augment is not None:
        config["spec_augment"] = part(AUGMENTATIONS, "spec_augment", "", _fields(module.spec_augment))
    config["encoder"] = part(ENCODERS, "encoder", model["encoder"]["name"], _fields(module.encoder))
    config["encoder"]["feat_in"] = module.frontend.num_features
    config["decoder"] = part(DECODERS, "decoder", model["decoder"]["name"], _fields(module.decoder))
    head = {"feat_in": module.encoder.output_dim, "vocabulary": labels}
    decoding = {"strategy": "greedy_batch"}
    if tokenizer is not None:
        config["tokenizer"] = dict(tokenizer)
    if model["task"] == "ctc":
        config["decoder"] |= head
        config["decoding"] = decoding | _inner(base, "decoding")
    else:
        config |= _transducer(module, labels, part, base)
    if model["task"] == "hybrid":
        aux = _inner(base, "aux_ctc")
        ctc = part({"ConvASRDecoder": CTC_HEAD}, "decoder", "ctc", {"vocab_size": len(labels)}, aux)
        aux |= {"ctc_loss_weight": module.ctc_weight, "decoder": ctc | head}
        config["aux_ctc"] = aux | {"decoding": decoding | _inner(aux, "decoding")}
    if tokenizer is None or model["task"] != "ctc":
        config["labels"] = labels

    problems = problems or _lost(module, build(translate_model(config)).model)
    if problems:
        raise ArchiveError(f"NeMo has no counterpart of {'; '.join(problems)}")
    return config


def remarks(model: Mapping[str, Any]) -> list[str]:
    """What the peer does otherwise with the same model, though its numbers are the same."""
    module = build(model).model
    told = []
    if getattr(module.encoder, "norm_over_padding", True) is False:
        told.append("if NeMo trains it further, the statistics of its batch norms will count the padding")
    if getattr(getattr(module, "search", None), "head", "transducer") == "ctc":
        told.append("NeMo decodes with its transducer, until change_decoding_strategy(decoder_type='ctc')")
    return told


def _transducer(module: Any, labels: list[str], part: Part, base: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that a transducer has besides."""
    decoder, search = module.decoder, module.search
    durations, big_blanks = list(decoder.durations), list(decoder.big_blanks)
    sizes = {"encoder_hidden": module.encoder.output_dim, "pred_hidden": decoder.width}
    extra = {"extra_outputs": len(durations) + len(big_blanks)}
    joint = part(JOINTS, "joint", "", _fields(decoder) | extra) | {"num_classes": len(labels), "vocabulary": labels}
    joint["jointnet"] |= sizes

    loss = _inner(base, "loss")
    name = loss.get("loss_name", "default")
    if durations or big_blanks:
        name = "tdt" if durations else "multiblank_rnnt"
    elif name in ("tdt", "multiblank_rnnt"):
        name = "default"
    key, section = LOSSES[name]
    special = {"durations": durations, "big_blanks": big_blanks}
    arguments = _inner(loss, key) | _arguments(section, _fields(module.loss) | special)

    greedy = {"max_symbols": search.max_symbols}
    decoding: dict[str, Any] = {"greedy": greedy, "durations": durations, "big_blank_durations": big_blanks}
    if search.beam_size > 1:
        decoding |= {"strategy": "malsd_batch", "beam": {"beam_size": search.beam_size}}
    defaults = {
        "enc_hidden": sizes["encoder_hidden"],
        "pred_hidden": decoder.width,
        "joint_hidden": decoder.joint_width,
    }
    if durations:
        defaults |= {"tdt_durations": durations, "num_tdt_durations": len(durations)}
    return {
        "joint": joint,
        "loss": (loss if loss.get("loss_name") == name else {}) | {"loss_name": name, key: arguments},
        "decoding": _merged({"strategy": "greedy_batch"} | _inner(base, "decoding"), decoding),
        "model_defaults": _inner(base, "model_defaults") | defaults,
    }


def _model_class(task: str, *, with_tokenizer: bool) -> str:
    """The path of the peer's class; with "BPE" in its name it has a tokenizer."""
    name = next(name for name, ours in TASKS.items() if ours == task and ("BPE" in name) == with_tokenizer)
    return f"{MODELS}.{FILES[name]}.{name}"


def _part(
    table: Mapping[str, Section],
    base: Mapping[str, Any],
    name: str,
    fields: Mapping[str, Any],
    place: str,
    problems: list[str],
) -> dict[str, Any]:
    """The section `place` of the peer, which says more where `base` is of the same class."""
    fitting = [
        peer
        for peer, section in table.items()
        if section.name == name and all(_data(fields.get(key)) == _data(value) for key, value in section.settles)
    ]
    if not fitting:
        problems.append(f"{name!r} ({place})")
        return {}
    before = str(base.get("_target_")).rpartition(".")[2]
    chosen = before if before in fitting else fitting[0]
    arguments = _arguments(table[chosen], fields)
    return _merged(base if before == chosen else {}, {"_target_": f"{MODULES}.{chosen}"} | arguments)


def _arguments(section: Section, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a class of the peer; those named section.argument are in a section of their own."""
    gathered = section.gather(dict(fields))
    arguments: dict[str, Any] = {}
    for row in section.rows:
        if row.ours is not None:
            *outer, last = row.peer.split(".")
            node = arguments
            for key in outer:
                node = node.setdefault(key, {})
            node[last] = _data(row.back(gathered[row.ours]))
    return arguments


def _fields(module: Any) -> dict[str, Any]:
    """The fields of a module or of options."""
    return {field.name: getattr(module, field.name) for field in dataclasses.fields(module)}


def _data(value: Any) -> Any:
    """As JSON would have it: no tuples."""
    if isinstance(value, Mapping):
        return {key: _data(part) for key, part in value.items()}
    return [_data(part) for part in value] if isinstance(value, (list, tuple)) else value


def _lost(module: Any, returned: Any) -> list[str]:
    """The fields that the peer's configuration does not give back."""
    problems = []
    parts = {"features": "frontend", "spec_augment": "spec_augment", "encoder": "encoder", "decoder": "decoder"}
    for place, part in parts.items():
        ours, theirs = (getattr(model, part) for model in (module, returned))
        if ours is None:
            continue
        theirs = _fields(theirs)
        for name, value in _fields(ours).items():
            if name not in WITHOUT_EFFECT and theirs[name] != value and not _trains_only(name, ours):
                problems.append(f"{place}.{name} {value!r} (it would return as {theirs[name]!r})")
    return problems


def _trains_only(field: str, encoder: Any) -> bool:
    """Whether a field is without effect once a model is trained: a group norm counts the padding at any time."""
    return field == "norm_over_padding" and getattr(encoder, "conv_norm", "batch") != "group"


def _inner(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A section, empty where there is none."""
    section = config.get(key)
    return dict(section) if isinstance(section, Mapping) else {}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` before `base`, in the sections of both too."""
    both = {
        key: _merged(base[key], value) if _are_sections(base.get(key), value) else value for key, value in over.items()
    }
    return dict(base) | both


def _are_sections(*values: Any) -> bool:
    return all(isinstance(value, Mapping) for value in values)
