"""The family with a transducer and a CTC head on one encoder: the transducer's sections and `aux_ctc`."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.interop.nemo.families.ctc import GREEDY_STRATEGY, HEADS, head_section
from jaxspeech.interop.nemo.families.family import Source, Written
from jaxspeech.interop.nemo.families.languages import with_languages
from jaxspeech.interop.nemo.families.tokens import chosen_class, nemo_tokens
from jaxspeech.interop.nemo.families.transducer import (
    TRANSDUCER,
    transducer_model,
    transducer_remarks,
    transducer_rows,
    transducer_sections,
)
from jaxspeech.interop.nemo.sections.arguments import share
from jaxspeech.interop.nemo.sections.interctc import consistency_remarks, interctc_section, read_interctc
from jaxspeech.interop.nemo.sections.read import read_section
from jaxspeech.interop.nemo.sections.write import inner
from jaxspeech.interop.nemo.weights.decoders import HYBRID_CTC_HEAD
from jaxspeech.interop.nemo.weights.rows import TensorRow

CLASSES = {
    "EncDecHybridRNNTCTCBPEModel": "asr.models.hybrid_rnnt_ctc_bpe_models",
    "EncDecHybridRNNTCTCModel": "asr.models.hybrid_rnnt_ctc_models",
    "EncDecHybridRNNTCTCBPEEOUModel": "asr.models.asr_eou_models",
    "EncDecHybridRNNTCTCBPEModelWithPrompt": "asr.models.hybrid_rnnt_ctc_bpe_models_prompt",
}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    model = transducer_model(config, problems)
    weight = _ctc_weight(config, model["decoder"].get("vocab_size"), problems)
    return {"task": "hybrid", **model, "ctc_weight": weight} | read_interctc(config, model["encoder"], problems)


def _ctc_weight(config: Mapping[str, Any], vocab_size: int | None, problems: list[str]) -> float:
    """Reads the weight of the CTC head, which must have as many tokens as the transducer."""
    head = read_section(HEADS, config, "aux_ctc.decoder", problems)
    num_classes = head.get("vocab_size", -1)
    if num_classes != -1 and vocab_size is not None and num_classes != vocab_size:
        problems.append(f"aux_ctc.decoder.num_classes {num_classes} (its transducer has {vocab_size})")
    weight = inner(config, "aux_ctc").get("ctc_loss_weight", 0.5)
    try:
        return share(weight)
    except ValueError as error:
        problems.append(f"aux_ctc.ctc_loss_weight {weight!r} ({error})")
        return 0.0


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    tokens, aux = nemo_tokens(source), inner(base, "aux_ctc")
    sections = transducer_sections(source, tokens, base, problems)
    head = head_section(
        source, {"vocab_size": len(tokens.labels)}, tokens.labels, base, problems, place="aux_ctc.decoder"
    )
    aux |= {
        "ctc_loss_weight": source.module.ctc_weight,
        "decoder": head,
        "decoding": {"strategy": GREEDY_STRATEGY} | inner(aux, "decoding"),
    }
    sections |= {"aux_ctc": aux, "labels": tokens.labels} | interctc_section(source.module, problems)
    name = chosen_class(CLASSES, tokens, base, prompted=source.module.language_prompt is not None)
    return Written(name, with_languages(source, base, sections), tokens.files)


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return transducer_rows(model) + HYBRID_CTC_HEAD


def _remarks(source: Source) -> list[str]:
    remarks = transducer_remarks(source) + consistency_remarks(source.module)
    if source.module.search.head == "ctc":
        remarks.append("NeMo decodes with its transducer, unless you call change_decoding_strategy(decoder_type='ctc')")
    return remarks


HYBRID = TRANSDUCER._replace(
    task="hybrid", classes=CLASSES, to_model=_to_model, to_nemo=_to_nemo, rows=_rows, remarks=_remarks
)
