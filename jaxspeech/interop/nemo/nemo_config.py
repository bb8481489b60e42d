"""Our `model` dict as the peer's model_config.yaml: the tables of `sections`, read the other way.

What the tables do not know (data sets, optimizer, options of the decoding, ...) is as it was, if the model came from
the peer. The result is translated back, and every field that would not return is told at once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.arguments import Section
from jaxspeech.interop.nemo.config import BEAM_STRATEGY, translate_model
from jaxspeech.interop.nemo.nemo_section import arguments_of, fields_of, fitting, inner, merged, nemo_section
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
MODELS = "nemo.collections.asr.models"
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

# Our section -> its part of the model, and its classes at the peer's.
PARTS = {
    "features": ("frontend", PREPROCESSORS),
    "spec_augment": ("spec_augment", AUGMENTATIONS),
    "encoder": ("encoder", ENCODERS),
    "decoder": ("decoder", DECODERS),
}

# A section of the peer's configuration: its classes, its key, the name and the fields of our module.
Part = Callable[..., dict[str, Any]]


def nemo_config(
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
        return nemo_section(table, inner(inside, place), name, fields, place, problems)

    config = NO_TRAINING | {key: value for key, value in base.items() if key not in OWN}
    config |= {"target": _model_class(model["task"], with_tokenizer=tokenizer is not None), "nemo_version": VERSION}
    config["sample_rate"] = module.frontend.sample_rate
    config["preprocessor"] = part(PREPROCESSORS, "preprocessor", model["features"]["name"], fields_of(module.frontend))
    if module.spec_augment is not None:
        config["spec_augment"] = part(AUGMENTATIONS, "spec_augment", "", fields_of(module.spec_augment))
    config["encoder"] = part(ENCODERS, "encoder", model["encoder"]["name"], fields_of(module.encoder))
    config["encoder"]["feat_in"] = module.frontend.num_features
    config["decoder"] = part(DECODERS, "decoder", model["decoder"]["name"], fields_of(module.decoder))
    head = {"feat_in": module.encoder.output_dim, "vocabulary": labels}
    decoding = {"strategy": "greedy_batch"}
    if tokenizer is not None:
        config["tokenizer"] = dict(tokenizer)
    if model["task"] == "ctc":
        config["decoder"] |= head
        config["decoding"] = decoding | inner(base, "decoding")
    else:
        config |= _transducer(module, labels, part, base)
    if model["task"] == "hybrid":
        aux = inner(base, "aux_ctc")
        ctc = part({"ConvASRDecoder": CTC_HEAD}, "decoder", "ctc", {"vocab_size": len(labels)}, aux)
        aux |= {"ctc_loss_weight": module.ctc_weight, "decoder": ctc | head}
        config["aux_ctc"] = aux | {"decoding": decoding | inner(aux, "decoding")}
    if tokenizer is None or model["task"] != "ctc":
        config["labels"] = labels

    problems = problems or _lost(model, module, build(translate_model(config)).model)
    if problems:
        raise ArchiveError(f"NeMo has no counterpart of {'; '.join(problems)}")
    return config


def remarks(model: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> list[str]:
    """What the peer does otherwise with the same model and tokenizer, given by their configurations."""
    module = build(model).model
    told = []
    if model["encoder"]["name"] == "squeezeformer":
        told.append("NeMo has no Squeezeformer after 2.2: later versions will not restore the file")
    if getattr(module.encoder, "norm_over_padding", True) is False:
        told.append("if NeMo trains it further, the statistics of its batch norms will count the padding")
    if model["encoder"]["name"] == "lstm" and module.encoder.bidirectional:
        told.append("NeMo's LSTM begins its way back in the padding: its transcripts depend on the whole batch")
    if getattr(module.encoder, "global_frames", 0) > 1:
        told.append("NeMo mixes up the queries of several global frames: its transcripts depend on the whole batch")
    if tokenizer["type"] == "char" and (durations := getattr(module.decoder, "durations", ())):
        told.append(f"NeMo leaves the last {len(durations)} characters of the vocabulary out of a TDT's text")
    if getattr(module.decoder, "cell_width", None):
        told.append("NeMo's searches cannot run a prediction network that is projected: its states have another width")
    if getattr(getattr(module, "search", None), "head", "transducer") == "ctc":
        told.append("NeMo decodes with its transducer, until change_decoding_strategy(decoder_type='ctc')")
    return told


def _transducer(module: Any, labels: list[str], part: Part, base: Mapping[str, Any]) -> dict[str, Any]:
    """The sections that a transducer has besides."""
    decoder, search = module.decoder, module.search
    durations, big_blanks = list(decoder.durations), list(decoder.big_blanks)
    sizes = {"encoder_hidden": module.encoder.output_dim, "pred_hidden": decoder.width}
    extra = {"extra_outputs": len(durations) + len(big_blanks)}
    joint = part(JOINTS, "joint", "", fields_of(decoder) | extra) | {"num_classes": len(labels), "vocabulary": labels}
    joint["jointnet"] |= sizes

    loss = inner(base, "loss")
    name = loss.get("loss_name", "default")
    if durations or big_blanks:
        name = "tdt" if durations else "multiblank_rnnt"
    elif name in ("tdt", "multiblank_rnnt"):
        name = "default"
    key, section = LOSSES[name]
    special = {"durations": durations, "big_blanks": big_blanks}
    arguments = inner(loss, key) | arguments_of(section, fields_of(module.loss) | special)

    greedy = {"max_symbols": search.max_symbols}
    kind = "tdt" if durations else "multiblank" if big_blanks else "rnnt"
    decoding: dict[str, Any] = {"model_type": kind, "greedy": greedy}
    decoding |= {"durations": durations, "big_blank_durations": big_blanks}
    if search.beam_size > 1:
        decoding |= {"strategy": BEAM_STRATEGY, "beam": {"beam_size": search.beam_size}}
    elif inner(base, "decoding").get("strategy") == BEAM_STRATEGY:
        decoding["strategy"] = "greedy_batch"
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
        "decoding": merged({"strategy": "greedy_batch"} | inner(base, "decoding"), decoding),
        "model_defaults": inner(base, "model_defaults") | defaults,
    }


def _model_class(task: str, *, with_tokenizer: bool) -> str:
    """The path of the peer's class; with "BPE" in its name it has a tokenizer."""
    name = next(name for name, ours in TASKS.items() if ours == task and ("BPE" in name) == with_tokenizer)
    return f"{MODELS}.{FILES[name]}.{name}"


def _lost(model: Mapping[str, Any], module: Any, returned: Any) -> list[str]:
    """The fields that the peer's configuration does not give back."""
    problems = []
    for place, (part, table) in PARTS.items():
        ours, theirs = (getattr(whole, part) for whole in (module, returned))
        if ours is None:
            continue
        before, after = fields_of(ours), fields_of(theirs)
        unused = _of_other_classes(table, model[place].get("name", ""), before)
        for name, value in before.items():
            skipped = name in WITHOUT_EFFECT or name in unused or _trains_only(name, ours)
            if value != after[name] and not skipped:
                problems.append(f"{place}.{name} {value!r} (it would return as {after[name]!r})")
    return problems


def _of_other_classes(table: Mapping[str, Section], name: str, fields: Mapping[str, Any]) -> set[str]:
    """Our fields without a use: those that only other classes of the peer have, where one module of ours is several."""
    used, others = set(), set()
    for peer, section in table.items():
        if section.name == name:
            known = used if peer in fitting(table, name, fields) else others
            known |= {row.ours for row in section.rows if row.ours}
    return others - used


def _trains_only(field: str, encoder: Any) -> bool:
    """Whether a field is without effect once a model is trained: a group norm counts the padding at any time."""
    return field == "norm_over_padding" and getattr(encoder, "conv_norm", "batch") != "group"
