"""Translates the config.json of NeMo's SALM, a language model that hears, to our `model` configuration and back.

NeMo's keys are those of a training run; those of `KNOWN` describe the model, and the others are kept as they are. The
language model's own configuration is a second one, of Transformers (`salm_backbone`).
"""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import ArchiveError, TokenizerError
from jaxspeech.interop.nemo.families.acoustic import acoustic_model, acoustic_sections
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.sections.arguments import number, optional
from jaxspeech.interop.nemo.sections.connector import CONNECTORS, LORA, PACKAGE, depth_of
from jaxspeech.interop.nemo.sections.read import class_name, optional_section, read_arguments, read_section
from jaxspeech.interop.nemo.sections.write import arguments_of, fields_of, inner, merged, write_section
from jaxspeech.text.chat import CHAT, LOCATOR, Chat

MODEL_TYPE = "nemo_speechlm"
PERCEPTION, ADAPTER, LORA_PLACE = "perception", "perception.modality_adapter", "lora"
CHUNK = "encoder_chunk_size_seconds"
OF_PERCEPTION = {"target", "_target_", "preprocessor", "encoder", "spec_augment", "modality_adapter", "output_dim"}


def is_salm(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of such a model; the oldest ones have no model_type."""
    return config.get("model_type") == MODEL_TYPE or {PERCEPTION, "pretrained_llm"} <= config.keys()


def model_of(config: Mapping[str, Any], decoder: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration that `build` takes.

    Args:
      config: NeMo's.
      decoder: our section of the language model.

    Raises:
      ArchiveError: some values have no counterpart here; lists all of them in one line.
    """
    problems: list[str] = []
    perception, inside = optional_section(config, PERCEPTION, problems), []
    acoustic = acoustic_model(perception, inside)
    problems += [f"{PERCEPTION}.{problem}" for problem in inside]
    problems += [f"{PERCEPTION}.{name} (unknown)" for name in perception if name not in OF_PERCEPTION]
    kind = class_name(perception.get("target") or perception.get("_target_") or "AudioPerceptionModule")
    if kind != "AudioPerceptionModule":
        problems.append(f"{PERCEPTION}.target {kind} (can be AudioPerceptionModule)")
    if config.get("use_nemo_automodel"):
        problems.append("use_nemo_automodel True (can be False)")
    connector = _connector(config, acoustic["encoder"], decoder, problems)
    chunk = config.get(CHUNK)
    try:
        seconds = optional(number(1e-6, 1e6))(chunk) or 0.0
    except ValueError as error:
        problems.append(f"{CHUNK} {chunk!r} ({error})")
        seconds = 0.0
    decoder = dict(decoder)
    if config.get(LORA_PLACE):
        lora = read_arguments(LORA, optional_section(config, LORA_PLACE, problems), LORA_PLACE, problems)
        decoder["lora"] = lora
    if problems:
        raise ArchiveError(f"not supported: {'; '.join(problems)}")
    return {"task": "speech_lm"} | acoustic | {"connector": connector, "decoder": decoder, "chunk_seconds": seconds}


def _connector(
    config: Mapping[str, Any], encoder: Mapping[str, Any], decoder: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    connector = read_section(CONNECTORS, config, ADAPTER, problems)
    of_encoder, depth = encoder.get("output_width") or encoder.get("width"), encoder.get("num_layers")
    of_llm, found = decoder["width"], optional_section(config, PERCEPTION, problems).get("output_dim")
    sizes = [(f"{PERCEPTION}.output_dim", found, "the LLM's width", of_llm)]
    if "input_width" in connector:
        name = "input_dim" if "output_width" in connector else "d_model"
        sizes.append((f"{ADAPTER}.{name}", connector.pop("input_width"), "the encoder's width", of_encoder))
        sizes.append((f"{ADAPTER}.output_dim", connector.pop("output_width", of_llm), "the LLM's width", of_llm))
    problems += [f"{place} {given} (must be {what}, {need})" for place, given, what, need in sizes if given != need]
    if connector.get("name") == "fastconformer":
        connector = {"name": "conformer", "encoder": connector}
    if connector.get("name") == "multilayer" and "layers" in connector:
        try:
            connector["layers"] = depth_of(connector["layers"], depth or 1)
        except ValueError as error:
            problems.append(f"{ADAPTER}.target_layer_ids {connector['layers']} ({error})")
    return connector


def chat_of(config: Mapping[str, Any], tokenizer: Any) -> Chat:
    """Returns the form of the conversations.

    Raises:
      ArchiveError: NeMo's format of prompts is not known here.
    """
    locator = str(config.get("audio_locator_tag") or LOCATOR)
    try:
        found = tokenizer.id_of(locator)
        # NeMo adds the tag to the tokens as the next one.
        audio_id = tokenizer.vocab_size if found is None else found
        return Chat(str(config.get("prompt_format")), locator=locator, audio_id=audio_id)
    except TokenizerError as error:
        raise ArchiveError(f"prompt_format: {error}") from error


def nemo_config_of(source: Source, base: Mapping[str, Any], *, llm: str) -> dict[str, Any]:
    """Returns NeMo's configuration of a model of ours.

    Args:
      source: the model.
      base: the configuration that it came with; {} if it did not come from NeMo.
      llm: name or path of the language model, for a model that did not come from NeMo.

    Raises:
      ArchiveError: some of it has no counterpart in NeMo; lists all of that in one line.
    """
    module, chat, problems = source.module, source.assets[CHAT], []
    before = inner(base, PERCEPTION)
    perception = acoustic_sections(source, before, problems)
    del perception["sample_rate"]
    perception["modality_adapter"] = _adapter_section(source, before, problems)
    perception |= {"output_dim": module.decoder.width, "target": f"{PACKAGE}.AudioPerceptionModule"}
    if module.spec_augment is None:
        before.pop("spec_augment", None)
    written: dict[str, Any] = {
        "model_type": MODEL_TYPE,
        "architectures": ["NeMoSpeechLMForConditionalGeneration"],
        "pretrained_llm": llm,
        "pretrained_asr": None,
        "pretrained_weights": False,
        "freeze_params": ["^llm\\..+$", "^embed_tokens\\..+$"],
        "prevent_freeze_params": [],
    }
    written |= base
    written |= {
        PERCEPTION: merged(before, perception),
        "prompt_format": chat.template,
        "audio_locator_tag": chat.locator,
        CHUNK: module.chunk_seconds or None,
    }
    written.pop(LORA_PLACE, None)
    if module.decoder.lora.rank:
        lora = arguments_of(LORA, fields_of(module.decoder.lora)) | {"task_type": "CAUSAL_LM"}
        written[LORA_PLACE] = merged(inner(base, LORA_PLACE), lora)
    if problems:
        raise ArchiveError(f"NeMo has no counterpart of {'; '.join(problems)}")
    return written


def _adapter_section(source: Source, before: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    module, kind = source.module, source.config["connector"]["name"]
    fields, widths = fields_of(module.connector), {"input_width": module.encoder.output_dim}
    widths["output_width"] = module.decoder.width
    if kind == "conformer":
        written = write_section(
            CONNECTORS, before, "modality_adapter", "fastconformer", fields_of(module.connector.encoder), problems
        )
        return written | {"feat_in": module.encoder.output_dim}
    return write_section(CONNECTORS, before, "modality_adapter", kind, fields | widths, problems)
