"""What models with prompts have in common: attention decoders (`text.prompt`), and language prompts."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from jaxspeech.text.language_names import FORMAT, LanguageNames
from jaxspeech.text.prompt import PromptFormat


@runtime_checkable
class Prompts(Protocol):
    """Turns what is asked of a model into the ids of a prompt; the asset "prompt"."""

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of what can be asked for."""
        ...

    def asked(self, fields: Mapping[str, Any], slots: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what is asked for a line of a manifest with these fields, if the call asks for `slots`."""
        ...

    def encode(self, tokenizer: Any, slots: Mapping[str, Any], *, unknown: int | None = None) -> list[int]:
        """Encodes a prompt; `unknown` stands for a language that is to be found first."""
        ...

    def languages(self, tokenizer: Any) -> tuple[int, ...]:
        """Returns the tokens among which such a language is found."""
        ...

    def language(self, tokenizer: Any, ids: Sequence[int]) -> str:
        """Returns the language of the text that a prompt asks for; "" if there is none."""
        ...

    def same_language(self, ids: Sequence[int]) -> bool:
        """Returns whether a prompt asks for a text in the language that is spoken."""
        ...

    def translates(self, fields: Mapping[str, Any]) -> bool:
        """Returns whether a line of a manifest asks for a translation."""
        ...

    def writes_times(self, tokenizer: Any) -> bool:
        """Returns whether a model with this tokenizer can be asked for times in the text."""
        ...

    def config(self) -> dict[str, Any]: ...

    def files(self) -> dict[str, bytes]: ...


def build_prompts(config: dict[str, Any], files: dict[str, bytes]) -> Prompts:
    """Rebuilds what a model's file has of its prompts.

    Raises:
      TokenizerError: it is no such config.
    """
    if config.get("format") == FORMAT:
        return LanguageNames(config.get("languages") or {})
    return PromptFormat.build(config, files)
