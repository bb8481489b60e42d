"""The family of recognition models with a transducer: RNN-T, TDT, multi-blank."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.families.language_prompt import prompt_defaults, prompt_rows, read_language_prompt
from jaxspeech.interop.nemo.families.languages import language_remarks, read_languages, with_languages
from jaxspeech.interop.nemo.families.tokens import (
    NO_TRAINING,
    RECOGNITION_SECTIONS,
    NemoTokens,
    chosen_class,
    nemo_tokens,
    recognition_assets,
)
from jaxspeech.interop.nemo.sections.adapters import read_decoder_adapters
from jaxspeech.interop.nemo.sections.arguments import integer
from jaxspeech.interop.nemo.sections.decoders import (
    HAT_JOINT,
    JOINT,
    LOSSES,
    LSTM_PREDICTION,
    SAMPLED_JOINT,
    STATELESS_PREDICTION,
    WILDCARD_LOSS,
)
from jaxspeech.interop.nemo.sections.read import optional_section, read_arguments, read_section
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, inner, merged, write_section
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.decoders import prediction_and_joint_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow

CLASSES = {
    "EncDecRNNTBPEModel": "asr.models.rnnt_bpe_models",
    "EncDecRNNTModel": "asr.models.rnnt_models",
    "EncDecRNNTBPEEOUModel": "asr.models.asr_eou_models",
    "EncDecRNNTBPEModelWithPrompt": "asr.models.rnnt_bpe_models_prompt",
}
PREDICTIONS = {"RNNTDecoder": LSTM_PREDICTION, "StatelessTransducerDecoder": STATELESS_PREDICTION}
JOINTS = {"RNNTJoint": JOINT, "SampledRNNTJoint": SAMPLED_JOINT, "HATJoint": HAT_JOINT}
# NeMo's greedy search, and that of its beam searches that we have too.
GREEDY_STRATEGY, BEAM_STRATEGY = "greedy_batch", "malsd_batch"


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    return {"task": "transducer"} | transducer_model(config, problems)


def transducer_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads our configuration, without the task's name."""
    acoustic = acoustic_model(config, problems, transducer=True)
    decoder = read_section(PREDICTIONS, config, "decoder", problems) | read_section(JOINTS, config, "joint", problems)
    decoder |= read_languages(config, decoder.get("vocab_size"), problems)
    decoder |= read_decoder_adapters(config, problems)
    loss = _loss(config, decoder, problems)
    found = acoustic | {"decoder": decoder, "loss": loss, "search": _search(config, problems)}
    return found | read_language_prompt(config, problems)


def _loss(config: Mapping[str, Any], decoder: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads our section `loss`; moves durations or big blanks, which NeMo keeps with the loss, to the decoder."""
    loss = optional_section(config, "loss", problems)
    name = loss.get("loss_name", "default")
    if name not in LOSSES:
        problems.append(f"loss.loss_name {name!r} (can be {', '.join(LOSSES)})")
        return {}
    key, section = LOSSES[name]
    fields = read_arguments(section, optional_section(config, f"loss.{key}", problems), f"loss.{key}", problems)
    for special in ("durations", "big_blanks"):
        if special in fields:
            decoder[special] = fields.pop(special)
    outputs = len(decoder.get("durations", ())) + len(decoder.get("big_blanks", ()))
    if decoder.pop("extra_outputs", 0) != outputs:
        problems.append(f"joint.num_extra_outputs (its loss {name!r} requires {outputs})")
    return fields


def _search(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads our section `search`: the beam size for the strategy that we have too; for any other, greedy search."""
    decoding = optional_section(config, "decoding", problems)
    greedy = optional_section(config, "decoding.greedy", problems)
    most = greedy.get("max_symbols", greedy.get("max_symbols_per_step")) or 10
    search = {}
    try:
        search["max_symbols"] = integer(1, 10_000)(most)
    except ValueError as error:
        problems.append(f"decoding.greedy.max_symbols {most!r} ({error})")
    if decoding.get("strategy") == BEAM_STRATEGY:
        width = optional_section(config, "decoding.beam", problems).get("beam_size", 4)
        try:
            search["beam_size"] = integer(1, 1024)(width)
        except ValueError as error:
            problems.append(f"decoding.beam.beam_size {width!r} ({error})")
    return search


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    tokens = nemo_tokens(source)
    sections = transducer_sections(source, tokens, base, problems) | {"labels": tokens.labels}
    name = chosen_class(CLASSES, tokens, base, prompted=source.module.language_prompt is not None)
    return Written(name, with_languages(source, base, sections), tokens.files)


def transducer_sections(
    source: Source, tokens: NemoTokens, base: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Writes NeMo's sections, without `labels`."""
    module, labels = source.module, tokens.labels
    decoder = module.decoder
    fields = fields_of(decoder)
    durations, big_blanks = list(decoder.durations), list(decoder.big_blanks)
    sections = acoustic_sections(source, base, problems)
    sections["decoder"] = write_section(PREDICTIONS, base, "decoder", "transducer", fields, problems)
    fields["extra_outputs"] = len(durations) + len(big_blanks)
    if decoder.hat and (durations or not HAT_JOINT.fits(fields)):
        what = f"durations {durations}" if durations else f"blank_activation {decoder.blank_activation!r}"
        problems.append(f"decoder.hat with decoder.{what} (there it is a tanh, without durations)")
    joint = write_section(JOINTS, base, "joint", "", fields, problems)
    joint |= {"num_classes": len(labels), "vocabulary": labels}
    joint["jointnet"] = inner(joint, "jointnet") | {
        "encoder_hidden": module.encoder.output_dim,
        "pred_hidden": decoder.width,
    }
    sizes = {
        "enc_hidden": module.encoder.output_dim,
        "pred_hidden": decoder.width,
        "joint_hidden": decoder.joint_width,
    }
    if durations:
        sizes |= {"tdt_durations": durations, "num_tdt_durations": len(durations)}
    return sections | {
        **tokens.section,
        "joint": joint,
        "loss": _loss_section(module, base, problems),
        "decoding": _decoding_section(module, base),
        "model_defaults": inner(base, "model_defaults") | sizes | prompt_defaults(source, base),
    }


def _loss_section(module: Any, base: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    loss, decoder = inner(base, "loss"), module.decoder
    fields = fields_of(module.loss) | {"durations": decoder.durations, "big_blanks": decoder.big_blanks}
    before = loss.get("loss_name", "default")
    name = _loss_name(fields, before)
    key, section = LOSSES[name]
    written = {argument.ours for argument in section.arguments}
    if fields["wildcard"] != "none":
        lost = [field for field in ("durations", "fastemit", "clamp") if field not in written and _set(fields[field])]
        problems += [f"loss.wildcard {fields['wildcard']!r} with {field} {fields[field]!r}" for field in lost]
    arguments = inner(loss, key) | arguments_of(section, fields)
    return (loss if before == name else {}) | {"loss_name": name, key: arguments}


def _loss_name(fields: Mapping[str, Any], before: str) -> str:
    """Returns NeMo's name of the loss; that of `before`, if it can be."""
    if fields["wildcard"] != "none":
        return WILDCARD_LOSS
    if fields["durations"] or fields["big_blanks"]:
        return "tdt" if fields["durations"] else "multiblank_rnnt"
    plain = not _set(fields["fastemit"]) and not _set(fields["clamp"])
    kept = ("default", "warprnnt_numba", "graph_rnnt") if plain else ("default", "warprnnt_numba")
    return before if before in kept else "default"


def _set(value: Any) -> bool:
    """Whether an option of the loss has an effect: a list that is not empty, a number above 0."""
    return bool(value) if isinstance(value, (list, tuple)) else value > 0


def _decoding_section(module: Any, base: Mapping[str, Any]) -> dict[str, Any]:
    decoder, search, before = module.decoder, module.search, inner(base, "decoding")
    decoding = {
        "model_type": "tdt" if decoder.durations else "multiblank" if decoder.big_blanks else "rnnt",
        "greedy": {"max_symbols": search.max_symbols},
        "durations": list(decoder.durations),
        "big_blank_durations": list(decoder.big_blanks),
    }
    if search.beam_size > 1:
        decoding |= {"strategy": BEAM_STRATEGY, "beam": {"beam_size": search.beam_size}}
    elif before.get("strategy") == BEAM_STRATEGY:
        decoding["strategy"] = GREEDY_STRATEGY
    return merged({"strategy": GREEDY_STRATEGY} | before, decoding)


def transducer_rows(model: Mapping[str, Any]) -> list[TensorRow]:
    """The rows of encoder, prediction network and joint."""
    return [*encoder_rows(model["encoder"]), *prediction_and_joint_rows(model["decoder"]), *prompt_rows(model)]


def transducer_remarks(source: Source) -> list[str]:
    """Lists what NeMo does differently with this encoder or prediction network."""
    remarks, decoder = acoustic_remarks(source) + language_remarks(source), source.module.decoder
    if source.assets["tokenizer"].config()["type"] == "char" and decoder.durations:
        last = len(decoder.durations)
        remarks.append(f"NeMo leaves the last {last} characters of the vocabulary out of a TDT's text")
    if decoder.cell_width:
        remarks.append("NeMo's searches cannot run a projected prediction network, whose states have different widths")
    return remarks


TRANSDUCER_PARTS = ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", PREDICTIONS)}
TRANSDUCER = Family(
    task="transducer",
    classes=CLASSES,
    sections=RECOGNITION_SECTIONS,
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=recognition_assets,
    rows=transducer_rows,
    parts=TRANSDUCER_PARTS,
    derived=acoustic_derived,
    defaults=NO_TRAINING,
    remarks=transducer_remarks,
)
