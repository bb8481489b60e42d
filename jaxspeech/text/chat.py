"""Conversations as token ids: what a speech language model reads, and which of it are answers to learn.

    user: Transcribe <audio>    assistant: two dogs
    ids       27 91 5 -1 28   27 92 61 70 28
    answers    0  0 0  0  0    1  1  1  1  1

Each turn is tokenized by itself, its template included, and the ids are joined; -1 stands for a recording. All ids of
an answer's turn are targets, the template's included. Source: PromptFormatter.encode_dialog of NeMo's
collections/common/prompts/formatter.py.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeGuard

import numpy as np
from jaxtyping import Bool, Int

from jaxspeech.errors import TokenizerError
from jaxspeech.text.chat_templates import FIRST_TOKEN, LAST_TOKEN, SPECIAL, Template, chat_template
from jaxspeech.text.thinking import NO_THOUGHTS, with_thoughts
from jaxspeech.text.turns import ASSISTANT, SYSTEM, USER, Turn, Turns, checked_turns

# The name of the asset, the id of a recording's place, and what stands for one in any model's prompt.
CHAT, AUDIO, AUDIO_TAG = "chat", -1, "<audio>"
LOCATOR = "<|audioplaceholder|>"


class ReadsSpecial(Protocol):
    """A tokenizer that finds its special tokens in texts, such as `text.byte_pair`."""

    def id_of(self, token: str) -> int | None:
        """Returns the id of a token; None if there is none."""
        ...

    def encode_around(self, parts: Sequence[str]) -> list[list[int]]:
        """Encodes the parts of a text between which there are tokens that no text spells."""
        ...


class EncodedChat(NamedTuple):
    """A conversation that ends with an answer.

    Attributes:
      ids: of all turns; -1 for each recording.
      answers: which of them are targets of the training.
      num_prompt: number of ids before the text of the last answer, from which it is generated.
    """

    ids: Int[np.ndarray, " L"]
    answers: Bool[np.ndarray, " L"]
    num_prompt: int


class _Part(NamedTuple):
    """What is tokenized by itself: a text, and what the template has around it."""

    role: str
    before: str
    text: str
    after: str


class Chat:
    """Writes conversations in the form that a model knows: the asset "chat".

    Args:
      template: one of `chat_templates.TEMPLATES`.
      locator: stands for a recording in a user's or a system's text, as "<audio>" does.
      audio_id: the locator's id in NeMo's tokenizer; only NeMo's folders have it.
      system: the text of a system turn that comes before conversations without one; "" for none.

    Raises:
      TokenizerError: there is no such template, or it has no system turns.
    """

    def __init__(
        self, template: str = "qwen", *, locator: str = LOCATOR, audio_id: int | None = None, system: str = ""
    ):
        self.template = template
        self.locator, self.audio_id, self.system = locator, audio_id, system
        self._form: Template = chat_template(template)
        self._special = self._form.special
        self._audio = re.compile("|".join(re.escape(tag) for tag in (locator, AUDIO_TAG) if tag))
        if system:
            self._parts([Turn(SYSTEM, system), Turn(USER, "")])

    @classmethod
    def build(cls, config: Mapping[str, Any], files: Mapping[str, bytes]) -> "Chat":
        """Rebuilds it from its `config()`.

        Raises:
          TokenizerError: it is no such config.
        """
        del files
        kinds = {"template": str, "locator": str, "audio_id": int | None, "system": str}
        for name, value in config.items():
            if name not in kinds or isinstance(value, bool) or not isinstance(value, kinds[name]):
                raise TokenizerError(f"the chat's config has {name!r}: {value!r}; it can have {', '.join(kinds)}")
        return cls(**config)

    def config(self) -> dict[str, Any]:
        return {
            "template": self.template,
            "locator": self.locator,
            "audio_id": self.audio_id,
            "system": self.system,
        }

    def files(self) -> dict[str, bytes]:
        return {}

    @property
    def special(self) -> tuple[str, ...]:
        """The special tokens that a tokenizer must have: what a new one is trained with."""
        return self._special

    def end_ids(self, tokenizer: Any) -> tuple[int, ...]:
        """Returns the ids that end an answer: those of the template, and those with which the tokenizer ends texts."""
        found = [i for token in self._form.ends if (i := _id_of(tokenizer, token)) is not None]
        return tuple(dict.fromkeys([*found, *getattr(tokenizer, "end_ids", ())]))

    def count_audios(self, turns: Turns) -> int:
        """Counts the places of recordings in a conversation."""
        return sum(len(self._audio.findall(turn.text)) for turn in self._complete(turns) if turn.role != ASSISTANT)

    def encode(self, turns: Turns, tokenizer: Any, *, draw: np.random.Generator | None = None) -> EncodedChat:
        """Encodes a conversation that ends with an answer, as for training.

        Args:
          turns: (role, text) in their order.
          tokenizer: has the special tokens of the template.
          draw: where a thinking model is asked to think or not to (see `thinking.with_thoughts`); None: nowhere.

        Raises:
          TokenizerError: the last turn is no answer, an answer has a recording, the template has no such role, or the
            tokenizer lacks a special token.
        """
        turns = self._complete(turns)
        if turns[-1].role != ASSISTANT:
            raise TokenizerError(f"a training example ends with an answer, not with a turn of the {turns[-1].role}")
        thinks = self._form.thinks
        turns = with_thoughts(turns, draw=draw) if thinks else turns
        parts = self._parts(turns)
        parts[-1] = parts[-1]._replace(after=parts[-1].after + self._form.end)
        ids = [self._ids(part, tokenizer) for part in parts]
        # Of several answers, a model that thinks learns the last: the others have lost their thoughts.
        answers = [part.role == ASSISTANT and not (thinks and part is not parts[-1]) for part in parts]
        marks = [answer for answer, part in zip(answers, ids, strict=True) for _ in part]
        opening = self._opening(thinking=not parts[-1].text.startswith(NO_THOUGHTS))
        before = sum(len(part) for part in ids[:-1])
        return EncodedChat(
            _array(ids), np.array(marks, bool), before + _num_equal(self._ids(opening, tokenizer), ids[-1])
        )

    def prompt(self, turns: Turns, tokenizer: Any, *, thinking: bool = True) -> Int[np.ndarray, " L"]:
        """Encodes a conversation that is to be answered; -1 stands for each recording.

        Args:
          turns: (role, text) in their order.
          tokenizer: has the special tokens of the template.
          thinking: False makes a model that can think answer at once.

        Raises:
          TokenizerError: the last turn is an answer; or as `encode`.
        """
        turns = self._complete(turns)
        if turns[-1].role == ASSISTANT:
            raise TokenizerError("the conversation ends with an answer already; only a user's turn can be answered")
        turns = with_thoughts(turns) if self._form.thinks else turns
        parts = [*self._parts(turns), self._opening(thinking=thinking)]
        return _array([self._ids(part, tokenizer) for part in parts])

    def _complete(self, turns: Turns) -> list[Turn]:
        """The turns, with the model's own system turn before them where they have none."""
        found = checked_turns(turns)
        if any(turn.role == ASSISTANT and self.locator and self.locator in turn.text for turn in found):
            raise TokenizerError(f"an answer has {self.locator}; only a user's or a system's turn has recordings")
        if self.system and SYSTEM not in (turn.role for turn in found):
            found.insert(0, Turn(SYSTEM, self.system))
        return found

    def _opening(self, *, thinking: bool) -> _Part:
        """What stands before the text of an answer."""
        return _Part("", self._form.answer + (NO_THOUGHTS if self._form.thinks and not thinking else ""), "", "")

    def _parts(self, turns: Sequence[Turn]) -> list[_Part]:
        form, system = self._form, ""
        parts = [_Part("", form.start, "", "")] if form.start else []
        for place, turn in enumerate(turns):
            if turn.role not in form.roles:
                next_role = turns[place + 1].role if place + 1 < len(turns) else ""
                if form.system_in_user is None or next_role != USER:
                    where = "" if form.system_in_user is None else ", but before a user's"
                    raise TokenizerError(f"the chat template {self.template!r} has no {turn.role} turn{where}")
                system = turn.text.join(form.system_in_user)
                continue
            before, after = form.roles[turn.role]
            parts.append(_Part(turn.role, before, system + turn.text, after))
            system = ""
        return parts

    def _ids(self, part: _Part, tokenizer: Any) -> list[int]:
        before, after = part.before.removeprefix(FIRST_TOKEN), part.after.removesuffix(LAST_TOKEN)
        texts = [part.text] if part.role == ASSISTANT else self._audio.split(part.text)
        texts[0] = before + texts[0]
        texts[-1] += after
        self._check_special(tokenizer)
        if reads_special(tokenizer):
            encoded = tokenizer.encode_around(texts)
        else:
            encoded = [_encode_with_special(text, tokenizer) for text in texts]
        ids = [i for text in encoded for i in (AUDIO, *text)][1:]
        if before != part.before:
            ids.insert(0, self._edge(tokenizer, "begin_id"))
        if after != part.after:
            ids.append(self._edge(tokenizer, "end_id"))
        return ids

    def _check_special(self, tokenizer: Any) -> None:
        for token in self.special:
            if _id_of(tokenizer, token) is None:
                raise TokenizerError(
                    f"the tokenizer has no token {token}, which the chat template {self.template!r} needs"
                )

    def _edge(self, tokenizer: Any, name: str) -> int:
        if (found := getattr(tokenizer, name, None)) is None:
            which = "begins" if name == "begin_id" else "ends"
            raise TokenizerError(
                f"the tokenizer has no token that {which} a text, which the chat template {self.template!r} needs"
            )
        return found


def reads_special(tokenizer: Any) -> TypeGuard[ReadsSpecial]:
    """Whether a tokenizer is a `ReadsSpecial`; asking the protocol itself takes longer than encoding a turn."""
    return hasattr(tokenizer, "encode_around")


def _encode_with_special(text: str, tokenizer: Any) -> list[int]:
    """The ids of a text by a tokenizer that does not look for special tokens itself."""
    ids: list[int] = []
    place = 0
    for token in SPECIAL.finditer(text):
        if (special := _id_of(tokenizer, token[0])) is not None:
            ids += [*_encode(text[place : token.start()], tokenizer), special]
            place = token.end()
    return ids + _encode(text[place:], tokenizer)


def _encode(text: str, tokenizer: Any) -> list[int]:
    return [int(i) for i in tokenizer.encode(text)] if text else []


def _id_of(tokenizer: Any, token: str) -> int | None:
    return tokenizer.id_of(token) if reads_special(tokenizer) else _ids(tokenizer.pieces).get(token)


@lru_cache(maxsize=16)
def _ids(pieces: tuple[str, ...]) -> Mapping[str, int]:
    return {piece: i for i, piece in enumerate(pieces)}


def _num_equal(first: Sequence[int], second: Sequence[int]) -> int:
    """The number of leading ids that two sequences have in common."""
    differ = (place for place, pair in enumerate(zip(first, second, strict=False)) if pair[0] != pair[1])
    return next(differ, min(len(first), len(second)))


def _array(ids: Sequence[Sequence[int]]) -> Int[np.ndarray, " L"]:
    return np.array([i for part in ids for i in part], np.int32)
