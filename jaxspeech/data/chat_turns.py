"""The turns of a manifest's line: those of a conversation, or what is asked about a recording and its text.

    {"audio_filepath": "a.wav", "context": "Which number was said?", "text": "nine"}
    ->  user: Which number was said? <audio>    assistant: nine

A line's "context", a text or several, is what the user says; without it, it is one of the recipe's prompts. The place
of the recording is behind it unless it says where: "<audio> What was said?". A "system_prompt" comes before.

Source: cut_to_conversation in NeMo's collections/common/data/lhotse/cutset.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxspeech.data.chat_lines import TURNS
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.manifest_lines import check_text
from jaxspeech.text.chat import AUDIO_TAG
from jaxspeech.text.turns import ASSISTANT, SYSTEM, USER, Turn

CONTEXT, SYSTEM_PROMPT = "context", "system_prompt"


def parse_prompts(value: Any, *, name: str) -> tuple[str, ...]:
    """Read what a recipe or a line asks: a text, or several of which training chooses one.

    Raises:
      ConfigError: it is neither, or there is none.
    """
    prompts = (value,) if isinstance(value, str) else value
    if not isinstance(prompts, list | tuple) or not prompts or not all(isinstance(text, str) for text in prompts):
        raise ConfigError(f"{name} is {value!r:.80}; it is a text, or several")
    return tuple(prompts)


def asked_of(fields: Mapping[str, Any], prompts: Sequence[str]) -> tuple[str, ...]:
    """The texts of which a line's user says one; () in a conversation.

    Raises:
      ManifestError: the line's context is no text.
    """
    if TURNS in fields:
        return ()
    if fields.get(CONTEXT) is None:
        return tuple(prompts)
    try:
        return parse_prompts(fields[CONTEXT], name=f"the {CONTEXT}")
    except ConfigError as error:
        raise ManifestError(str(error)) from error


def turns_of(fields: Mapping[str, Any], asked: str, *, place: str = "") -> list[Turn]:
    """The turns of a line.

    Args:
      fields: of the line.
      asked: what the user says, if it is no conversation.
      place: the tag that stands for a recording in texts, beside "<audio>".

    Raises:
      ManifestError: it has no text.
    """
    if TURNS in fields:
        return [Turn(turn["role"], turn["text"]) for turn in fields[TURNS]]
    if AUDIO_TAG not in asked and not (place and place in asked):
        asked = f"{asked} {AUDIO_TAG}".strip()
    text = " ".join(check_text(fields.get("text")).split())
    system = fields.get(SYSTEM_PROMPT)
    before = [] if system is None else [Turn(SYSTEM, check_text(system, name=SYSTEM_PROMPT))]
    return [*before, Turn(USER, asked), Turn(ASSISTANT, text)]
