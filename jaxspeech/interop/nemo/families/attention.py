"""The family of recognition and translation models with an attention decoder: Canary, and older ones without prompts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.assets import Assets
from jaxspeech.errors import ArchiveError, TokenizerError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families.acoustic import (
    ACOUSTIC_PARTS,
    acoustic_derived,
    acoustic_model,
    acoustic_remarks,
    acoustic_sections,
)
from jaxspeech.interop.nemo.families.family import Family, NemoPart, Source, Written
from jaxspeech.interop.nemo.families.tokens import NO_TRAINING, RECOGNITION_SECTIONS, nemo_tokens
from jaxspeech.interop.nemo.sections.arguments import Section
from jaxspeech.interop.nemo.sections.attention import (
    CROSS_ENTROPY,
    TOKEN_CLASSIFIER,
    TRANSFORMER_DECODER,
    TRANSFORMER_ENCODER,
)
from jaxspeech.interop.nemo.sections.read import optional_section, read_arguments, read_section, value_at
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, inner, merged, write_section
from jaxspeech.interop.nemo.tokenizer import read_tokenizer
from jaxspeech.interop.nemo.weights import encoder_rows
from jaxspeech.interop.nemo.weights.attention import POSITIONS, attention_decoder_rows
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.nn.positions import absolute_positions
from jaxspeech.text.prompt import PromptFormat

CANARY, WITHOUT_PROMPTS = "EncDecMultiTaskModel", "EncDecTransfModelBPE"
CLASSES = {CANARY: "asr.models.aed_multitask_models", WITHOUT_PROMPTS: "asr.models.transformer_bpe_models"}
DECODERS = {"get_nemo_transformer": TRANSFORMER_DECODER}
LOSSES = {"SmoothedCrossEntropyLoss": CROSS_ENTROPY}
END = "<|endoftext|>"
# Of models without prompts.
START, END_OF_TEXT = "<s>", "</s>"


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model(config, problems)
    decoder = read_section(DECODERS, config, "transf_decoder", problems)
    decoder |= _encoder_fields(config, decoder, problems)
    read_arguments(TOKEN_CLASSIFIER, optional_section(config, "head", problems), "head", problems)
    loss = read_section(LOSSES, config, "loss", problems) if config.get("loss") else {}
    loss["prompt"] = not config.get("use_loss_mask_for_prompt", False)
    return {"task": "attention"} | acoustic | {"decoder": decoder, "loss": loss, "search": _search(config, problems)}


def _encoder_fields(config: Mapping[str, Any], decoder: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Reads the layers between encoder and decoder, which have the decoder's width, norms and activation."""
    section = optional_section(config, "transf_encoder", problems)
    if not section.get("num_layers"):
        return {"encoder_layers": 0}
    fields = read_arguments(TRANSFORMER_ENCODER, section, "transf_encoder", problems)
    for name in ("width", "activation", "norm_first", "norm_last"):
        ours, theirs = decoder.get(name), fields.pop(f"encoder_{name}", None)
        if ours != theirs:
            problems.append(f"transf_encoder: its {name} {theirs!r} is not the decoder's, {ours!r}")
    return fields


def _search(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    decoding = optional_section(config, "decoding", problems)
    strategy = decoding.get("strategy", "beam")
    options = optional_section(config, f"decoding.{'beam' if strategy == 'beam' else 'greedy'}", problems)
    found: dict[str, Any] = {"beam_size": int(options.get("beam_size", 1)) if strategy == "beam" else 1}
    if isinstance(options.get("length_penalty"), (int, float)):
        found["length_penalty"] = float(options["length_penalty"])
    more = options.get("max_generation_delta", 50)
    if isinstance(more, int) and more >= 0:
        found["more_than_frames"] = more
    return found


def _assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    del model
    tokenizer = read_tokenizer(file, config, None)
    name = config.get("prompt_format")
    try:
        if name is None:
            return {"tokenizer": tokenizer, "prompt": PromptFormat("start", start_id=_id(tokenizer, START))}
        return {"tokenizer": tokenizer, "prompt": PromptFormat(str(name), defaults=_defaults(config))}
    except TokenizerError as error:
        raise ArchiveError(f"prompt_format: {error}") from error


def _completed(model: dict[str, Any], assets: Assets) -> dict[str, Any]:
    tokenizer = assets["tokenizer"]
    end = END_OF_TEXT if assets["prompt"].format == "start" else END
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": _id(tokenizer, end)}
    return model | {"decoder": model["decoder"] | sizes}


def _id(tokenizer: Any, piece: str) -> int:
    if piece not in tokenizer.pieces:
        raise ArchiveError(f"its tokenizer has no token {piece}")
    return tokenizer.pieces.index(piece)


def _defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of slots that NeMo's configuration gives for the user's turn."""
    turns = config.get("prompt_defaults") or []
    user = next((turn for turn in turns if isinstance(turn, Mapping) and turn.get("role") == "user"), {})
    slots = user.get("slots") or {}
    return {str(name): value for name, value in slots.items() if value is not None}


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*encoder_rows(model["encoder"]), *attention_decoder_rows(model["decoder"])]


def _positions(decoder: Any) -> np.ndarray | None:
    """The table of sinusoids, as NeMo stores it."""
    if decoder.positions == "learnt":
        return None
    return np.asarray(absolute_positions(decoder.max_length, decoder.width) / decoder.width**0.5)


def _derived(module: Any) -> Derived:
    return {**acoustic_derived(module), POSITIONS: _positions(module.decoder)}


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    problems.append("attention decoders cannot be written yet")
    return Written(CANARY, {}, {})


ATTENTION = Family(
    task="attention",
    classes=CLASSES,
    sections=(*RECOGNITION_SECTIONS, "transf_encoder", "transf_decoder", "head", "prompt_format"),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=_assets,
    completed=_completed,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", DECODERS)},
    derived=_derived,
    defaults=NO_TRAINING,
    remarks=acoustic_remarks,
)
