"""Prompts of attention decoders: what is asked of a model, as the tokens that it reads before the text.

For the formats and their slots see `text.prompt_slots`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Int

from jaxspeech.errors import TokenizerError, did_you_mean
from jaxspeech.text.prompt_slots import (
    ALIASES,
    FORMATS,
    LANGUAGES,
    SLOTS,
    SPECIAL,
    TASKS,
    TIMESTAMP,
    TRANSLATE,
    Slot,
    is_auto,
    language_token,
    plain,
)
from jaxspeech.text.time_tokens import frames_of_tokens

# The asset that holds the format, and the multiple to which prompts are padded, so that they share programs.
PROMPT, MULTIPLE = "prompt", 16


class PromptFormat:
    """Turns slots into the ids of a prompt.

    Args:
      format: one of FORMATS.
      start_id: the only token of the format "start".
      defaults: values of slots that a line does not have, instead of the format's own.
    """

    def __init__(self, format: str, *, start_id: int | None = None, defaults: Mapping[str, Any] | None = None):
        if format not in FORMATS:
            raise TokenizerError(f"the prompt format {format!r} is unknown{did_you_mean(format, FORMATS)}")
        self.format, self.start_id = format, start_id
        self.defaults = {ALIASES.get(name, name): value for name, value in (defaults or {}).items()}
        self._check(self.defaults)

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "PromptFormat":
        """Rebuilds the format from its `config()`.

        Raises:
          TokenizerError: it is no such config.
        """
        del files
        start_id, defaults = config.get("start_id"), config.get("defaults") or {}
        if not isinstance(start_id, int | None) or not isinstance(defaults, Mapping):
            raise TokenizerError(
                "the prompt's config has a start_id that is no number, or defaults that are no mapping"
            )
        return cls(str(config.get("format")), start_id=start_id, defaults=defaults)

    def config(self) -> dict[str, Any]:
        return {"format": self.format, "start_id": self.start_id, "defaults": self.defaults}

    def files(self) -> dict[str, bytes]:
        return {}

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of the slots, in the order of the prompt."""
        return tuple(name for name in FORMATS[self.format] if not SPECIAL.fullmatch(name))

    def asked(self, fields: Mapping[str, Any], slots: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked for a line of a manifest with these fields, if the call asks for `slots`."""
        names = {*self.slots, *(name for name, slot in ALIASES.items() if slot in self.slots)}
        return {**slots, **{name: value for name, value in fields.items() if name in names}}

    def chosen(self, slots: Mapping[str, Any]) -> dict[str, Any]:
        """The values of all slots: those given, the model's defaults, the format's.

        The text is in the language that is spoken unless its language is given too: only who asks for a translation
        gets one.

        Raises:
          TokenizerError: the format has no such slot, or a translation lacks its language.
        """
        given = {ALIASES.get(name, name): value for name, value in slots.items() if value is not None}
        self._check(given)
        own = {name: slot.default if slot else "" for name, slot in FORMATS[self.format].items() if name in self.slots}
        values = own | self.defaults | given
        if ("source_lang" in given and "target_lang" not in given) or is_auto(values.get("target_lang")):
            values["target_lang"] = values["source_lang"]
        translates = TASKS.get(str(plain(given.get("task"))).lower()) == TRANSLATE
        if translates and "target_lang" not in given and plain(values["target_lang"]) == plain(values["source_lang"]):
            raise TokenizerError(f"task {plain(given['task'])!r} needs target_lang, the language of the text")
        return values

    def translates(self, fields: Mapping[str, Any]) -> bool:
        """Returns whether a line of a manifest asks for a text in a language that is known not to be the spoken one."""
        names = {"source_lang", "target_lang"}
        if not names <= {*self.slots}:
            return False
        values = self.chosen({name: fields[name] for name in names & {*fields}})
        return not is_auto(values["source_lang"]) and plain(values["source_lang"]) != plain(values["target_lang"])

    def encode(self, tokenizer: Any, slots: Mapping[str, Any], *, unknown: int | None = None) -> list[int]:
        """Encodes a prompt.

        Args:
          tokenizer: with the special tokens among its pieces.
          slots: the values that are asked for; others have their defaults.
          unknown: the id for a language that is "auto"; None: languages must be given.

        Raises:
          TokenizerError: a slot or a value is unknown; the line has the known ones.
        """
        if self.format == "start":
            self._check(slots)
            return [self.start_id or 0]
        values = self.chosen(slots)
        ids = {
            name: unknown
            if unknown is not None and name in LANGUAGES and is_auto(values[name])
            else self._id(name, slot, values.get(name), tokenizer)
            for name, slot in FORMATS[self.format].items()
            if name != "decodercontext"
        }
        found: list[int] = []
        for name in FORMATS[self.format]:
            if name != "decodercontext":
                found.append(ids[name])
            elif values.get(name):
                found += self._context(tokenizer, str(values[name]), values["target_lang"])
        return found

    def languages(self, tokenizer: Any) -> tuple[int, ...]:
        """The ids of the languages, one of which "auto" is.

        Raises:
          TokenizerError: the model has none.
        """
        special = special_tokens(tokenizer)
        if not (known := self._known("source_lang", special)):
            raise TokenizerError("source_lang cannot be 'auto': this model has no tokens of languages")
        return tuple(special[language_token(name)] for name in known)

    def same_language(self, ids: Sequence[int]) -> bool:
        """Whether a prompt asks for a text in the language that is spoken, and not for a translation."""
        places = [self._place(name) for name in ("source_lang", "target_lang") if name in self.slots]
        return len({ids[place] for place in places}) < 2

    def language(self, tokenizer: Any, ids: Sequence[int]) -> str:
        """Returns the language of the text that a prompt asks for; "" if the format has none."""
        return plain(tokenizer.pieces[ids[self._place("target_lang")]]) if "target_lang" in self.slots else ""

    def _place(self, name: str) -> int:
        """The place of a slot in prompts, from their end; no slot after it has more than one token."""
        names = list(FORMATS[self.format])
        return names.index(name) - len(names)

    def writes_times(self, tokenizer: Any) -> bool:
        """Whether a model with this tokenizer can be asked for times in the text."""
        special = special_tokens(tokenizer)
        return "timestamp" in self.slots and TIMESTAMP in special and bool(frames_of_tokens(tokenizer.pieces))

    def spelled(self, name: str, value: Any) -> str:
        """The special token of a slot's value; the text of a slot that holds any text."""
        slot = FORMATS[self.format][name]
        return str(value or "") if slot is None else self._spelled(name, slot, value)

    def _id(self, name: str, slot: Slot | None, value: Any, tokenizer: Any) -> int:
        special = special_tokens(tokenizer)
        token = name if slot is None else self._spelled(name, slot, value)
        if token not in special:
            token = {piece.lower(): piece for piece in special}.get(token.lower(), token)
        if token in special:
            return special[token]
        if slot is None:
            raise TokenizerError(f"the tokenizer has no token {token}, which every prompt of this model has")
        known = self._known(name, special)
        # Published tokenizers have tokens of nearly all languages, and texts in a few.
        trained = [language for language in known if language in getattr(tokenizer, "languages", ())]
        shown = ", ".join(trained or known) or "no value of it"
        raise TokenizerError(f"{name} cannot be {plain(value)!r}: this model knows {shown}")

    @staticmethod
    def _context(tokenizer: Any, text: str, language: Any) -> list[int]:
        if is_auto(language) and hasattr(tokenizer, "languages"):
            raise TokenizerError("decodercontext needs target_lang where source_lang is 'auto'")
        return tokenizer.encode(text, plain(language))

    @staticmethod
    def _spelled(name: str, slot: Slot, value: Any) -> str:
        try:
            return slot.spell(plain(value))
        except ValueError as error:
            raise TokenizerError(f"{name} {error}, not {plain(value)!r}") from error

    @staticmethod
    def _known(name: str, special: Mapping[str, int]) -> list[str]:
        """The values of a slot that the tokenizer has."""
        inner = [plain(token) for token in special]
        if name == "emotion":
            return [value.removeprefix("emo:") for value in inner if value.startswith("emo:")]
        if name == "task":
            return [task for task in ("transcribe", "translate") if task in inner]
        if name not in LANGUAGES:
            return [word for word, value in (("yes", name), ("no", f"no{name}")) if value in inner]
        languages = [value for value in inner if re.fullmatch(r"[a-z]{2,3}(-[A-Za-z]+)?", value)]
        return [value for value in languages if value not in SLOTS]

    def _check(self, slots: Mapping[str, Any]) -> None:
        for name in slots:
            if ALIASES.get(name, name) not in self.slots:
                hint = did_you_mean(name, self.slots) if self.slots else "; it has none"
                raise TokenizerError(f"the prompt format {self.format!r} has no slot {name!r}{hint}")


def padded(prompts: Sequence[Sequence[int]]) -> tuple[Int[np.ndarray, "B P"], Int[np.ndarray, " B"]]:
    """Pads the prompts of a batch; returns them with the number of real tokens of each."""
    counts = np.array([len(ids) for ids in prompts], np.int32)
    found = np.zeros((len(prompts), -(-int(counts.max()) // MULTIPLE) * MULTIPLE), np.int32)
    for row, ids in enumerate(prompts):
        found[row, : len(ids)] = ids
    return found, counts


def special_tokens(tokenizer: Any) -> Mapping[str, int]:
    """Returns the special tokens of a tokenizer and their ids."""
    return _special(tuple(tokenizer.pieces))


@lru_cache(maxsize=16)  # thousands of pieces, looked at for each recording
def _special(pieces: tuple[str, ...]) -> Mapping[str, int]:
    return MappingProxyType({piece: i for i, piece in enumerate(pieces) if SPECIAL.fullmatch(piece)})
