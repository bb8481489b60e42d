"""What is asked of each live stream of a model with prompts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool

from jaxspeech.errors import ConfigError
from jaxspeech.text.prompt_slots import ALIASES, UNKNOWN
from jaxspeech.text.prompts import Prompts
from jaxspeech.text.tokenizer import Tokenizer


class StreamPrompts:
    """Encodes the prompts of streams, and writes them into the state of their search.

    Args:
      prompt: the model's format; None for a model without prompts.
      tokenizer: the model's.
      slots: what is asked of all streams that do not ask for something else.
      room: the most tokens of a prompt.

    Raises:
      ConfigError: something is asked for, and the model has no prompts.
      TokenizerError: the model does not have what is asked for.
    """

    def __init__(self, prompt: Prompts | None, tokenizer: Tokenizer, slots: Mapping[str, Any], *, room: int):
        self._prompt, self._tokenizer, self._slots, self._room = prompt, tokenizer, slots, room
        self.check({})

    def check(self, slots: Mapping[str, Any]) -> None:
        """Raises what is wrong with the prompt of a stream, see above."""
        self._encode(slots)

    def of_line(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what a line of a manifest asks for."""
        if self._prompt is None:
            return {}
        return self._prompt.asked(fields, self._slots)

    def written(self, search: Any, rows: Bool[np.ndarray, " B"], slots: Mapping[str, Any]) -> Any:
        """Returns the state of the search with the prompt of some rows."""
        ids = self._encode(slots)
        if not ids:
            return search
        prompt, count = np.array(search.prompt), np.array(search.num_prompt)
        prompt[rows, : len(ids)], count[rows] = ids, len(ids)
        return search._replace(prompt=prompt, num_prompt=count)

    def _encode(self, slots: Mapping[str, Any]) -> list[int]:
        asked = {ALIASES.get(name, name): value for given in (self._slots, slots) for name, value in given.items()}
        if not self._room or self._prompt is None:
            if asked:
                raise ConfigError(f"{next(iter(asked))}: this model has no prompt, and so no such choice")
            if self._room:
                raise ConfigError("this model reads prompts, and its file has no format of these among its assets")
            return []
        ids = self._prompt.encode(self._tokenizer, asked, unknown=UNKNOWN)
        if UNKNOWN in ids:
            raise ConfigError('source_lang "auto" is for whole recordings: give the language of a stream')
        if len(ids) > self._room:
            raise ConfigError(
                f"the prompt has {len(ids)} tokens; that of a stream has at most {self._room}: shorten decodercontext"
            )
        return ids
