"""The family of recognition models with a CTC head."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_rows,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.families.languages import language_remarks, read_languages, with_languages
from jaxspeech.interop.nemo.families.tokens import (
    NO_TRAINING,
    RECOGNITION_SECTIONS,
    chosen_class,
    nemo_tokens,
    recognition_assets,
)
from jaxspeech.interop.nemo.sections.arguments import integer, number
from jaxspeech.interop.nemo.sections.decoders import CTC_HEAD, LSTM_HEAD
from jaxspeech.interop.nemo.sections.interctc import consistency_remarks, interctc_section, read_interctc
from jaxspeech.interop.nemo.sections.read import optional_section, read_section
from jaxspeech.interop.nemo.sections.write import fields_of, inner, merged, write_section
from jaxspeech.interop.nemo.weights.decoders import ctc_head_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow

CLASSES = {"EncDecCTCModelBPE": "asr.models.ctc_bpe_models", "EncDecCTCModel": "asr.models.ctc_models"}
HEADS = {"ConvASRDecoder": CTC_HEAD}
ALL_HEADS = HEADS | {"LSTMDecoder": LSTM_HEAD}
# NeMo's greedy search, and that of its beam searches that we have too.
GREEDY_STRATEGY, BEAM_STRATEGY = "greedy_batch", "beam_batch"


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model(config, problems)
    decoder = read_section(ALL_HEADS, config, "decoder", problems)
    if decoder.get("vocab_size", 1) <= 0:
        vocabulary = config["decoder"].get("vocabulary")
        decoder["vocab_size"] = len(vocabulary) if isinstance(vocabulary, list) else 0
    decoder |= read_languages(config, decoder.get("vocab_size"), problems)
    search = _search(config, problems)
    model = {"task": "ctc"} | acoustic | {"decoder": decoder} | ({"search": search} if search else {})
    return model | read_interctc(config, acoustic["encoder"], problems)


def _search(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads our section `search` for the strategy that we have too; for any other, greedy search."""
    if optional_section(config, "decoding", problems).get("strategy") != BEAM_STRATEGY:
        return {}
    beam: Mapping[str, Any] = optional_section(config, "decoding.beam", problems)
    found: dict[str, Any] = {"beam_size": 4, "length_bonus": 1.0}
    for theirs, (ours, convert) in {
        "beam_size": ("beam_size", integer(1, 1024)),
        "beam_beta": ("length_bonus", number(-100, 100)),
        "beam_threshold": ("threshold", number(1e-3, 1e9)),
    }.items():
        try:
            found |= {ours: convert(beam[theirs])} if theirs in beam else {}
        except ValueError as error:
            problems.append(f"decoding.beam.{theirs} {beam[theirs]!r} ({error})")
    return found


def _decoding_section(module: Any, base: Mapping[str, Any]) -> dict[str, Any]:
    search, before = module.search, inner(base, "decoding")
    decoding: dict[str, Any] = {}
    if search.beam_size > 1:
        beam = {"beam_size": search.beam_size, "beam_beta": search.length_bonus, "beam_threshold": search.threshold}
        decoding = {"strategy": BEAM_STRATEGY, "beam": beam}
    elif before.get("strategy") == BEAM_STRATEGY:
        decoding["strategy"] = GREEDY_STRATEGY
    return merged({"strategy": GREEDY_STRATEGY} | before, decoding)


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    tokens = nemo_tokens(source)
    sections = acoustic_sections(source, base, problems)
    fields, name = fields_of(source.module.decoder), source.config["decoder"]["name"]
    sections["decoder"] = head_section(source, fields, tokens.labels, base, problems, name=name)
    sections |= tokens.section | {"decoding": _decoding_section(source.module, base)}
    if not tokens.section:
        sections["labels"] = tokens.labels
    sections = with_languages(source, base, sections) | interctc_section(source.module, problems)
    name = chosen_class(CLASSES, tokens, base, prompted=source.module.language_prompt is not None)
    return Written(name, sections, tokens.files)


def head_section(
    source: Source,
    fields: Mapping[str, Any],
    labels: list[str],
    base: Mapping[str, Any],
    problems: list[str],
    *,
    place: str = "decoder",
    name: str = "ctc",
) -> dict[str, Any]:
    """Writes the section of a CTC head with these fields."""
    head = write_section(ALL_HEADS, base, place, name, fields, problems)
    return head | {"feat_in": source.module.encoder.output_dim, "vocabulary": labels}


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*acoustic_rows(model), *ctc_head_rows(model["decoder"])]


def _remarks(source: Source) -> list[str]:
    remarks = acoustic_remarks(source) + language_remarks(source) + consistency_remarks(source.module)
    if getattr(source.module.decoder, "bidirectional", False):
        remarks.append("the head's backward LSTM starts in NeMo in the padding: its transcripts depend on the batch")
    return remarks


CTC = Family(
    task="ctc",
    classes=CLASSES,
    sections=RECOGNITION_SECTIONS,
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=recognition_assets,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", ALL_HEADS)},
    derived=acoustic_derived,
    defaults=NO_TRAINING,
    remarks=_remarks,
)
