"""The turns of a manifest's line: those of a conversation, or what is asked about a recording and its text.

    {"audio_filepath": "a.wav", "context": "Which number was said?", "text": "nine"}
    {"audio_filepath": "a.wav", "messages": [{"role": "user", "content": "Which number was said? <audio>"},
                                             {"role": "assistant", "content": "nine"}], "text": "nine"}

A line's "context" is what the user says; without it, it is one of the recipe's prompts. The place of the recording is
behind it unless it says where: "<audio> What was said?". A "system_prompt" comes before. Where a context, or a message
of a user, is a list of texts, one of them is chosen.

Source: cut_to_conversation in NeMo's collections/common/data/lhotse/cutset.py.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxspeech.data.chat_lines import MESSAGES
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.manifest_lines import check_text
from jaxspeech.text.chat import AUDIO_TAG
from jaxspeech.text.turns import ASSISTANT, SYSTEM, USER, Turn

CONTEXT, SYSTEM_PROMPT = "context", "system_prompt"
# Chooses one of several texts.
Choose = Callable[[Sequence[str]], str]


def first(texts: Sequence[str]) -> str:
    """Choose the first text, as in evaluation."""
    return texts[0]


def parse_prompts(value: Any, *, name: str) -> tuple[str, ...]:
    """Read what a recipe or a line asks: a text, or several of which one is chosen.

    Raises:
      ConfigError: it is neither, or there is none.
    """
    prompts = (value,) if isinstance(value, str) else value
    if not isinstance(prompts, list | tuple) or not prompts or not all(isinstance(text, str) for text in prompts):
        raise ConfigError(f"{name} is {value!r:.80}; it is a text, or several")
    return tuple(prompts)


def turns_of(fields: Mapping[str, Any], prompts: Sequence[str], choose: Choose = first, *, tag: str = "") -> list[Turn]:
    """The turns of a line.

    Args:
      fields: of the line.
      prompts: of which a user says one about a recording whose line does not say it.
      choose: one of several texts.
      tag: stands for a recording in texts, beside "<audio>".

    Raises:
      ManifestError: it has no text, or a context or messages of another form.
    """
    if MESSAGES in fields:
        return _turns_of_messages(fields[MESSAGES], choose)
    given = fields.get(CONTEXT)
    asked = choose(tuple(prompts) if given is None else _texts(given, CONTEXT))
    if AUDIO_TAG not in asked and not (tag and tag in asked):
        asked = f"{asked} {AUDIO_TAG}".strip()
    text = " ".join(check_text(fields.get("text")).split())
    system = fields.get(SYSTEM_PROMPT)
    before = [] if system is None else [Turn(SYSTEM, check_text(system, name=SYSTEM_PROMPT))]
    return [*before, Turn(USER, asked), Turn(ASSISTANT, text)]


def _turns_of_messages(messages: Any, choose: Choose) -> list[Turn]:
    try:
        pairs = [(message["role"], message["content"]) for message in messages]
    except (KeyError, TypeError) as error:
        raise ManifestError(f'its {MESSAGES} are no list of {{"role": ..., "content": ...}}') from error
    texts = (_texts(content, "content of a message") for _, content in pairs)
    return [Turn(role, choose(several)) for (role, _), several in zip(pairs, texts, strict=True)]


def _texts(value: Any, name: str) -> tuple[str, ...]:
    try:
        return parse_prompts(value, name=f"the {name}")
    except ConfigError as error:
        raise ManifestError(str(error)) from error
