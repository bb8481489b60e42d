"""The names of the languages that a recogniser can be asked for, and the prompt of each.

    {"en-US": 0, "en": 0, "de-DE": 1, "auto": 5}            several names may share a prompt

"auto" is the prompt that leaves the language to the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxspeech.errors import TokenizerError, did_you_mean
from jaxspeech.text.prompt_slots import AUTO

# What a request and a manifest's line call it; a line's "lang" is the language of its text.
SLOT, FIELD = "target_lang", "lang"
FORMAT = "languages"
# Names that an error lists.
MOST_LISTED = 40


class LanguageNames:
    """Turns the name of a language into the number of its prompt.

    Args:
      languages: name -> number, from 0.

    Raises:
      TokenizerError: a number is none.
    """

    slots = (SLOT,)

    def __init__(self, languages: Mapping[str, int]):
        for name, number in languages.items():
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise TokenizerError(f"the prompt of the language {name!r} is {number!r}; it must be a number from 0")
        self.languages_by_name = dict(languages)

    def config(self) -> dict[str, Any]:
        return {"format": FORMAT, "languages": self.languages_by_name}

    def files(self) -> dict[str, bytes]:
        return {}

    @property
    def num_prompts(self) -> int:
        """The number of prompts that the names need."""
        return max(self.languages_by_name.values(), default=-1) + 1

    def asked(self, fields: Mapping[str, Any], slots: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked for a line of a manifest: its target_lang, else that of the call, else its "lang".

        Raises:
          TokenizerError: the call asks for something else.
        """
        for name in slots:
            if name not in self.slots:
                raise TokenizerError(f"{name}: this model is only asked for a language, with {SLOT}")
        lang = fields.get(FIELD)
        if isinstance(lang, list | tuple):  # one for each word
            lang = lang[0] if len({*lang}) == 1 else AUTO
        given = (fields.get(SLOT), slots.get(SLOT), lang)
        return {SLOT: next((value for value in given if value is not None), None)}

    def encode(self, tokenizer: Any, slots: Mapping[str, Any], *, unknown: int | None = None) -> list[int]:
        """Returns the prompt of what is asked for, which is "auto" where nothing is.

        Raises:
          TokenizerError: the language is unknown, or none is given and the model has no "auto"; the line has the known
            ones.
        """
        del tokenizer, unknown
        asked = self.asked({}, slots)[SLOT]
        name = AUTO if asked is None else str(asked)
        if name in self.languages_by_name:
            return [self.languages_by_name[name]]
        if len(found := {n for known, n in self.languages_by_name.items() if known.lower() == name.lower()}) == 1:
            return [*found]
        shown = ", ".join([*self.languages_by_name][:MOST_LISTED]) or "no language"
        shown += ", ..." if len(self.languages_by_name) > MOST_LISTED else ""
        if asked is None:
            raise TokenizerError(f"choose the language of the speech with {SLOT}: this model knows {shown}")
        raise TokenizerError(
            f"{SLOT} cannot be {name!r}{did_you_mean(name, self.languages_by_name)}: this model knows {shown}"
        )

    def language(self, tokenizer: Any, ids: Sequence[int]) -> str:
        """Returns the first name of a prompt; "" for "auto" or an unnamed one."""
        del tokenizer
        found = [name for name, number in self.languages_by_name.items() if number == ids[0]]
        return "" if not found or AUTO in found else found[0]

    def languages(self, tokenizer: Any) -> tuple[int, ...]:
        """Returns no tokens: a prompt is complete, also that of "auto"."""
        del tokenizer
        return ()

    def same_language(self, ids: Sequence[int]) -> bool:
        """Returns True: a text is in the language that is spoken."""
        del ids
        return True

    def translates(self, fields: Mapping[str, Any]) -> bool:
        """Returns False, likewise."""
        del fields
        return False

    def writes_times(self, tokenizer: Any) -> bool:
        """Returns False: such a model writes no times into its text."""
        del tokenizer
        return False


def numbered(names: Sequence[str]) -> LanguageNames:
    """Numbers languages in their order; "auto" comes last, and is added where it is missing."""
    return LanguageNames({name: i for i, name in enumerate([*(n for n in dict.fromkeys(names) if n != AUTO), AUTO])})
