"""The slots of each format of prompts, and the special tokens that stand for their values.

    canary    <|startoftranscript|> <|en|> <|transcribe|> <|de|> <|pnc|>
    canary2   <|startofcontext|> earlier text <|startoftranscript|> <|emo:undefined|> <|en|> <|de|> <|pnc|> ...
    start     <s>                                     a model without prompts

A slot is a name ("source_lang") with a value ("de"). Source: Puvvada et al., "Less is More: Accurate Speech Recognition
and Translation without Web-Scale Data" (2024), and NeMo's formats of the same names.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from jaxspeech.errors import did_you_mean

SPECIAL = re.compile(r"<\|[^|<>]*\|>|<pad>")
START, END, CONTEXT = "<|startoftranscript|>", "<|endoftext|>", "<|startofcontext|>"
TRANSLATE, TIMESTAMP = "<|translate|>", "<|timestamp|>"
YES = {"yes", "true", "1", "on"}
NO = {"no", "false", "0", "off"}
TASKS = {
    **dict.fromkeys(("asr", "transcribe", "transcription"), "<|transcribe|>"),
    **dict.fromkeys(("ast", "translate", "translation", "s2t_translation"), TRANSLATE),
}


class Slot(NamedTuple):
    """One slot of a format.

    Attributes:
      spell: value -> special token; raises ValueError, which says what values there are.
      default: the value of a line that does not have the slot; None if it must have it.
    """

    spell: Callable[[Any], str]
    default: Any = None


def language_token(value: Any) -> str:
    """Returns the special token of a language."""
    return f"<|{value}|>"


def _task(value: Any) -> str:
    if str(value).lower() not in TASKS:
        raise ValueError(f"can be {', '.join(TASKS)}{did_you_mean(str(value), TASKS)}")
    return TASKS[str(value).lower()]


def _switch(name: str) -> Callable[[Any], str]:
    def spell(value: Any) -> str:
        text = str(value).lower()
        if text in {*YES, name}:
            return f"<|{name}|>"
        if text in {*NO, f"no{name}"}:
            return f"<|no{name}|>"
        raise ValueError("can be yes or no")

    return spell


def _emotion(value: Any) -> str:
    return f"<|emo:{str(value).removeprefix('emo:')}|>"


# The slots of each format in their order, with the tokens that are always there as plain text.
FORMATS: dict[str, dict[str, Slot | None]] = {
    "canary": {
        START: None,
        "source_lang": Slot(language_token, "en"),
        "task": Slot(_task, "transcribe"),
        "target_lang": Slot(language_token, "en"),
        "pnc": Slot(_switch("pnc"), "yes"),
    },
    "canary2": {
        CONTEXT: None,
        "decodercontext": None,
        START: None,
        "emotion": Slot(_emotion, "undefined"),
        "source_lang": Slot(language_token, "en"),
        "target_lang": Slot(language_token, "en"),
        "pnc": Slot(_switch("pnc"), "yes"),
        "itn": Slot(_switch("itn"), "no"),
        "timestamp": Slot(_switch("timestamp"), "no"),
        "diarize": Slot(_switch("diarize"), "no"),
    },
    "start": {},
}
# Other names of slots, in manifests and in `transcribe`.
ALIASES = {"taskname": "task"}
LANGUAGES = ("source_lang", "target_lang")
# All slots by which a model can be asked for something.
SLOTS = tuple(sorted({name for slots in FORMATS.values() for name in slots if not SPECIAL.fullmatch(name)}))
# The value of a language that the model is to find, and the id that stands for its token.
AUTO, UNKNOWN = "auto", -1


def is_auto(value: Any) -> bool:
    """Whether a language is one that the model is to find."""
    return isinstance(value, str) and value.lower() == AUTO


def plain(value: Any) -> Any:
    """Returns the value in a special token: "de" for "<|de|>"."""
    return value[2:-2] if isinstance(value, str) and SPECIAL.fullmatch(value) and value != "<pad>" else value
