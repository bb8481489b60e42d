"""The family of models with an attention decoder and without prompts: a text begins with one token of start."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.assets import Assets
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.control_pieces import start_and_end, with_control_pieces
from jaxspeech.interop.nemo.families.acoustic import ACOUSTIC_PARTS, acoustic_model, acoustic_sections
from jaxspeech.interop.nemo.families.attention import (
    ATTENTION,
    HEAD,
    encoder_fields,
    encoder_section,
    search_fields,
)
from jaxspeech.interop.nemo.families.family import NemoPart, Source, Written
from jaxspeech.interop.nemo.families.tokens import NO_TRAINING, RECOGNITION_SECTIONS, nemo_tokens
from jaxspeech.interop.nemo.sections.arguments import share
from jaxspeech.interop.nemo.sections.attention import TOKEN_CLASSIFIER, UNPROMPTED_DECODER, UNPROMPTED_ENCODER
from jaxspeech.interop.nemo.sections.read import optional_section, read_arguments
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, inner, merged
from jaxspeech.interop.nemo.tokenizer import read_tokenizer
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.attention import attention_decoder_rows
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.text.prompt import PromptFormat

CLASS = "EncDecTransfModelBPE"
BUILT = {"library": "nemo", "model_name": None, "pretrained": False}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model(config, problems)
    given = optional_section(config, "transf_decoder", problems)
    decoder = {"name": "attention"} | read_arguments(UNPROMPTED_DECODER, given, "transf_decoder", problems)
    decoder |= encoder_fields(UNPROMPTED_ENCODER, config, decoder, problems)
    read_arguments(TOKEN_CLASSIFIER, optional_section(config, "head", problems), "head", problems)
    loss: dict[str, Any] = {"prompt": True}
    smoothing = config.get("label_smoothing", 0.0)
    try:
        loss["label_smoothing"] = share(smoothing)
    except ValueError as error:
        problems.append(f"label_smoothing {smoothing!r} ({error})")
    search = search_fields(config, "beam_search", problems, penalty="len_pen")
    return {"task": "attention"} | acoustic | {"decoder": decoder, "loss": loss, "search": search}


def _assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    del model
    tokenizer = read_tokenizer(file, config, None)
    start, _ = start_and_end(tokenizer)
    return {"tokenizer": tokenizer, "prompt": PromptFormat("start", start_id=start)}


def _completed(model: dict[str, Any], assets: Assets) -> dict[str, Any]:
    tokenizer = assets["tokenizer"]
    _, end = start_and_end(tokenizer)
    return model | {"decoder": model["decoder"] | {"vocab_size": tokenizer.vocab_size, "end_id": end}}


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*encoder_rows(model["encoder"]), *attention_decoder_rows(model["decoder"], projection="adapter")]


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module, assets = source.module, source.assets
    decoder, search = module.decoder, module.search
    ours, theirs = (assets["prompt"].start_id or 0, decoder.end_id), start_and_end(assets["tokenizer"])
    if ours != theirs:
        problems.append(f"a text that begins and ends with the tokens {ours}, in a tokenizer that says {theirs}")
    if decoder.encoder_layers and decoder.encoder_style[0] != "relu":
        problems.append(f"decoder.encoder_activation {decoder.encoder_style[0]!r} (there it is 'relu')")
    tokenizer = with_control_pieces(assets["tokenizer"], *theirs)
    tokens = nemo_tokens(source._replace(assets={**assets, "tokenizer": tokenizer}))
    sections = acoustic_sections(source, base, problems)
    sections["transf_encoder"] = encoder_section(UNPROMPTED_ENCODER, decoder, base, {})
    written = BUILT | arguments_of(UNPROMPTED_DECODER, fields_of(decoder)) | {"attn_layer_dropout": decoder.dropout}
    sections["transf_decoder"] = merged(inner(base, "transf_decoder"), written)
    sections["head"] = HEAD | inner(base, "head")
    sections |= tokens.section
    sections["label_smoothing"] = module.loss.label_smoothing
    sections["beam_search"] = inner(base, "beam_search") | {
        "beam_size": search.beam_size,
        "len_pen": search.length_penalty,
        "max_generation_delta": search.more_than_frames,
    }
    return Written(CLASS, sections, tokens.files)


UNPROMPTED = ATTENTION._replace(
    classes={CLASS: "asr.models.transformer_bpe_models"},
    sections=(*RECOGNITION_SECTIONS, "transf_encoder", "transf_decoder", "head", "beam_search", "label_smoothing"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=_assets,
    completed=_completed,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", {CLASS: UNPROMPTED_DECODER})},
    defaults=NO_TRAINING | {"validation_ds": {"manifest_filepath": None, "use_start_end_token": True}},
    takes=lambda assets: "prompt" in assets and assets["prompt"].format == "start",
)
