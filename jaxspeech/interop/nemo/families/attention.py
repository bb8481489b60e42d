"""The family of models with an attention decoder and prompts: Canary."""

from collections.abc import Mapping
from typing import Any

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
from jaxspeech.interop.nemo.families.tokens import NO_TRAINING, RECOGNITION_SECTIONS, NemoTokens, nemo_tokens
from jaxspeech.interop.nemo.sections.arguments import Section, integer, number
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
from jaxspeech.interop.nemo.weights.attention import POSITIONS, attention_decoder_rows, position_table
from jaxspeech.interop.nemo.weights.derived import Derived
from jaxspeech.interop.nemo.weights.rows import TensorRow
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END
from jaxspeech.types import Variables

CANARY = "EncDecMultiTaskModel"
CLASSES = {CANARY: "asr.models.aed_multitask_models"}
DECODERS = {"get_nemo_transformer": TRANSFORMER_DECODER}
LOSSES = {"SmoothedCrossEntropyLoss": CROSS_ENTROPY}
# Instead of NeMo's -1: only the number of positions limits a text.
NO_LIMIT = 1 << 20
HEAD = {"num_layers": 1, "activation": "relu", "log_softmax": True, "dropout": 0.0, "use_transformer_init": True}


def _to_model(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    acoustic = acoustic_model(config, problems)
    decoder = read_section(DECODERS, config, "transf_decoder", problems)
    decoder |= encoder_fields(TRANSFORMER_ENCODER, config, decoder, problems)
    read_arguments(TOKEN_CLASSIFIER, optional_section(config, "head", problems), "head", problems)
    loss = read_section(LOSSES, config, "loss", problems) if config.get("loss") else {}
    loss["prompt"] = not config.get("use_loss_mask_for_prompt", False)
    return {"task": "attention"} | acoustic | {"decoder": decoder, "loss": loss, "search": _search(config, problems)}


def encoder_fields(
    section: Section, config: Mapping[str, Any], decoder: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    """Reads the layers between encoder and decoder, which have the decoder's width."""
    given = optional_section(config, "transf_encoder", problems)
    if not given.get("num_layers"):
        # The sizes of no layers are kept, so that they are the same in a file that is written.
        sizes = {"encoder_heads": given.get("num_attention_heads"), "encoder_hidden_width": given.get("inner_size")}
        return {"encoder_layers": 0} | {name: value for name, value in sizes.items() if isinstance(value, int)}
    fields = read_arguments(section, given, "transf_encoder", problems)
    for name in ("width", "activation", "norm_first", "norm_last"):
        ours, theirs = decoder.get(name), fields.pop(f"encoder_{name}", None)
        if name == "width" and ours != theirs:
            problems.append(f"transf_encoder: its {name} {theirs!r} is not the decoder's, {ours!r}")
        elif ours != theirs:
            fields[f"encoder_{name}"] = theirs
    return fields


def _search(config: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    kind = "greedy" if optional_section(config, "decoding", problems).get("strategy", "beam") != "beam" else "beam"
    return search_fields(config, f"decoding.{kind}", problems)


def search_fields(
    config: Mapping[str, Any], place: str, problems: list[str], *, penalty: str = "length_penalty"
) -> dict[str, Any]:
    """Reads our section `search`; NeMo's defaults where its section at `place` says nothing."""
    options = optional_section(config, place, problems)
    found: dict[str, Any] = {"beam_size": 1}
    known = {
        "beam_size": ("beam_size", integer(1, 1024)),
        penalty: ("length_penalty", number(-100, 100)),
        "max_generation_delta": ("more_than_frames", integer(-1, 1 << 20)),
    }
    for name, (ours, convert) in known.items():
        if options.get(name) is None:
            continue
        try:
            found[ours] = convert(options[name])
        except ValueError as error:
            problems.append(f"{place}.{name} {options[name]!r} ({error})")
    if found.get("more_than_frames") == -1:
        found["more_than_frames"] = NO_LIMIT
    return found


def _assets(file: NemoFile, config: Mapping[str, Any], model: Mapping[str, Any]) -> dict[str, Any]:
    del model
    tokenizer = read_tokenizer(file, config, None)
    try:
        prompt = PromptFormat(str(config.get("prompt_format")), defaults=_defaults(config))
    except TokenizerError as error:
        raise ArchiveError(f"prompt_format: {error}") from error
    return {"tokenizer": tokenizer, "prompt": prompt}


def _completed(model: dict[str, Any], assets: Assets) -> dict[str, Any]:
    tokenizer = assets["tokenizer"]
    if END not in tokenizer.pieces:
        raise ArchiveError(f"its tokenizer has no token {END}")
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": tokenizer.pieces.index(END)}
    return model | {"decoder": model["decoder"] | sizes}


def _defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of slots that NeMo's configuration gives for the user's turn."""
    turns = config.get("prompt_defaults")
    turns = turns if isinstance(turns, list) else []
    user = next((turn for turn in turns if isinstance(turn, Mapping) and turn.get("role") == "user"), {})
    return {str(name): value for name, value in inner(user, "slots").items() if value is not None}


def _rows(model: Mapping[str, Any]) -> list[TensorRow]:
    return [*encoder_rows(model["encoder"]), *attention_decoder_rows(model["decoder"])]


def _derived(module: Any) -> Derived:
    return {**acoustic_derived(module), POSITIONS: position_table(module.decoder)}


def _to_nemo(source: Source, base: Mapping[str, Any], problems: list[str]) -> Written:
    module = source.module
    decoder, tokens, prompt = module.decoder, nemo_tokens(source), source.assets["prompt"]
    sections = acoustic_sections(source, base, problems)
    fields = fields_of(decoder)
    target = {"_target_": f"{TRANSFORMER_ENCODER.package}.TransformerEncoder", "mask_future": False}
    sections["transf_encoder"] = encoder_section(TRANSFORMER_ENCODER, decoder, base, target)
    sections["transf_decoder"] = write_section(DECODERS, base, "transf_decoder", "attention", fields, problems)
    sections["transf_decoder"]["config_dict"] |= {"attn_layer_dropout": decoder.dropout, "vocab_size": None}
    head = {"_target_": f"{TOKEN_CLASSIFIER.package}.TokenClassifier"} | HEAD | inner(base, "head")
    sections["head"] = head | {"hidden_size": decoder.width, "num_classes": decoder.num_outputs}
    sections["loss"] = write_section(LOSSES, base, "loss", "", fields_of(module.loss), problems)
    sections |= _tokenizer_section(tokens, base)
    sections |= {
        "label_smoothing": module.loss.label_smoothing,
        "use_loss_mask_for_prompt": not module.loss.prompt,
        "prompt_format": prompt.format,
        "restore_timestamps_model": source.has_aligner,
        "prompt_defaults": [{"role": "user", "slots": _nemo_slots(prompt)}],
        "decoding": merged(inner(base, "decoding"), _decoding(module)),
        "model_defaults": inner(base, "model_defaults")
        | {
            "asr_enc_hidden": module.encoder.output_dim,
            "lm_enc_hidden": decoder.width,
            "lm_dec_hidden": decoder.width,
        },
    }
    return Written(CANARY, sections, tokens.files)


def without_ctc_head(source: Source, variables: Variables) -> Variables:
    """Leaves the CTC head out, which NeMo's models with an attention decoder do not have."""
    del source
    return {**variables, "params": {name: part for name, part in variables["params"].items() if name != "ctc_head"}}


def attention_remarks(source: Source) -> list[str]:
    """Lists what NeMo does differently, and what it does not have."""
    remarks = acoustic_remarks(source)
    if source.module.loss.ctc_weight:
        remarks.append("NeMo's models with an attention decoder have no CTC head: it is left out of the file")
    return remarks


def encoder_section(
    section: Section, decoder: Any, base: Mapping[str, Any], target: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes the layers between encoder and decoder; `target` is what a section of its own has besides them."""
    fields = fields_of(decoder)
    activation, norm_first, norm_last = decoder.encoder_style
    ours = {"encoder_width": decoder.width, "encoder_activation": activation}
    ours |= {"encoder_norm_first": norm_first, "encoder_norm_last": norm_last}
    dropout = {"ffn_dropout": decoder.dropout, "attn_score_dropout": decoder.dropout_att}
    written = arguments_of(section, fields | ours) | dropout | {"attn_layer_dropout": decoder.dropout}
    if not decoder.encoder_layers and (before := inner(base, "transf_encoder")):
        return before | {"num_layers": 0}  # the sizes of no layers stay as they were
    return merged({**target, **inner(base, "transf_encoder")}, written)


def _tokenizer_section(tokens: NemoTokens, base: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer with NeMo's class for special tokens; several languages have these in one of their own."""
    section: dict[str, Any] = dict(tokens.section["tokenizer"]) if tokens.section else {}
    kind = "CanaryTokenizer" if section.get("type") == "agg" else "CanaryBPETokenizer"
    custom: dict[str, Any] = {"_target_": f"nemo.collections.common.tokenizers.canary_tokenizer.{kind}"}
    if kind == "CanaryTokenizer":
        custom["tokenizers"] = None
    before = value_at(base, "tokenizer.custom_tokenizer")
    return {"tokenizer": section | {"custom_tokenizer": before if isinstance(before, Mapping) else custom}}


def _nemo_slots(prompt: PromptFormat) -> dict[str, Any]:
    """The default of each slot as its special token."""
    return {name: prompt.spelled(name, value) for name, value in prompt.chosen({}).items()}


def _decoding(module: Any) -> dict[str, Any]:
    search = module.search
    return {
        "strategy": "beam",
        "beam": {
            "beam_size": search.beam_size,
            "length_penalty": search.length_penalty,
            "max_generation_delta": search.more_than_frames,
        },
    }


ATTENTION = Family(
    task="attention",
    classes=CLASSES,
    sections=(
        *RECOGNITION_SECTIONS,
        *("transf_encoder", "transf_decoder", "head", "prompt_format", "prompt_defaults"),
        *("restore_timestamps_model",),
    ),
    to_model=_to_model,
    to_nemo=_to_nemo,
    assets=_assets,
    completed=_completed,
    rows=_rows,
    parts=ACOUSTIC_PARTS | {"decoder": NemoPart("decoder", DECODERS)},
    derived=_derived,
    folded=without_ctc_head,
    defaults=NO_TRAINING,
    remarks=attention_remarks,
    takes=lambda assets: "prompt" not in assets or assets["prompt"].format != "start",
)
