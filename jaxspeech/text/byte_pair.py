"""Tokenizers of language models, in the `tokenizer.json` of the `tokenizers` library: byte-level BPE, for example.

    "Grüße"  ->  bytes 47 72 c3 bc c3 9f 65  ->  merges, the earliest learned first  ->  ids

Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units" (2016); over bytes: Radford et
al., "Language Models are Unsupervised Multitask Learners" (2019). The library does the work, so that every file that it
reads gives the ids that Transformers and NeMo get.
"""

import itertools
import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from jaxspeech.errors import TokenizerError
from jaxspeech.runtime.unicode import half_a_character
from jaxspeech.text.incremental_decoder import spell
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.tokenizer_json import (
    CONTENT,
    END,
    MOST_BYTES,
    ROLES,
    SETTINGS,
    panics_as_errors,
    parse_json,
    read_tokenizer_json,
    token_of,
)

# Further files of a folder of Transformers.
SPECIAL_MAP, GENERATION = "special_tokens_map.json", "generation_config.json"
# The names of the files in an archive, where tokenizer.json means something else.
CONTENT_FILE, SETTINGS_FILE = "byte_pair.json", "byte_pair_settings.json"
MOST_PIECES = 1 << 22


class BytePairTokenizer:
    """Wraps an unchanged tokenizer.json. Texts may have special tokens, which are found in them.

    Args:
      content: of tokenizer.json.
      settings: of tokenizer_config.json, which says which special tokens begin, end and pad texts; "{}" for none.
      end_ids: ids that end a text beside that of the settings.

    Attributes:
      vocab_size: number of tokens, with the special ones; the embedding of a model may have more rows.
      begin_id, end_id, pad_id, unknown_id: the tokens of the settings; None where they have none.
      end_ids: all that end a text.

    Raises:
      TokenizerError: the content is none of the library's, the settings name a token that it does not have, or the
        library is not installed.
    """

    def __init__(self, content: bytes, settings: bytes = b"{}", *, end_ids: Sequence[Any] = ()):
        self._content, self._settings = content, settings
        named = parse_json(settings, SETTINGS)
        self._tokenizer: Any = read_tokenizer_json(content, named)
        self._ids: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        self.vocab_size: int = max(self._ids.values(), default=-1) + 1
        if not 0 < self.vocab_size <= MOST_PIECES:
            raise TokenizerError(f"its {CONTENT} has {self.vocab_size} tokens; it can have 1 to {MOST_PIECES}")
        tokens = [token_of(named, role) for role in ROLES]
        self.begin_id, self.end_id, self.pad_id, self.unknown_id = (self._ids[t] if t else None for t in tokens)
        first = [] if self.end_id is None else [self.end_id]
        self.end_ids: tuple[int, ...] = tuple(dict.fromkeys([*first, *end_ids]))
        if not all(type(i) is int and 0 <= i < MOST_PIECES for i in self.end_ids):
            raise TokenizerError(f"the ids that end a text are {list(self.end_ids)}; they must be numbers from 0")

    @classmethod
    def build(cls, *, files: Mapping[str, bytes], end_ids: Sequence[Any] = ()) -> "BytePairTokenizer":
        """Rebuilds the tokenizer from its `config()` and `files()`."""
        if CONTENT_FILE not in files:
            raise TokenizerError(f"a byte-pair tokenizer needs its file {CONTENT_FILE}; found {sorted(files)}")
        return cls(files[CONTENT_FILE], files.get(SETTINGS_FILE, b"{}"), end_ids=end_ids)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The spelling of each token in the file, by id: of byte-level BPE with a letter for each byte."""
        return self._pieces

    @cached_property
    def _pieces(self) -> tuple[str, ...]:
        by_id = {i: piece for piece, i in self._ids.items()}
        return tuple(by_id.get(i, "") for i in range(self.vocab_size))

    def id_of(self, token: str) -> int | None:
        """Returns the id of a token that is spelled so; None if there is none."""
        return self._ids.get(token)

    def encode(self, text: str, language: Language = None) -> list[int]:
        """Encodes a text as it is: nothing is added at its start or end.

        Raises:
          TokenizerError: it is no Unicode text, or the file's own rules fail at it.
        """
        try:
            with panics_as_errors():
                return self._tokenizer.encode(text, add_special_tokens=False).ids
        except TypeError:
            if half := half_a_character(text):
                raise TokenizerError(f"the text cannot be encoded: it has {half}") from None
            raise

    def encode_around(self, parts: Sequence[str]) -> list[list[int]]:
        """Encodes the parts of a text between which there are tokens that no text spells, such as recordings.

        Only the first is the start of a text, which some tokenizers mark by a space.
        """
        # A special token in the place of what is there.
        before = next(iter(self._splitting), "")
        return [self.encode(before + part)[1:] if i and before else self.encode(part) for i, part in enumerate(parts)]

    @cached_property
    def _splitting(self) -> list[str]:
        """Special tokens that take nothing of the text around them."""
        added = self._tokenizer.get_added_tokens_decoder().values()
        return [
            token.content
            for token in added
            if token.special and not (token.lstrip or token.rstrip or token.single_word or token.normalized)
        ]

    def decode(self, ids: Any) -> str:
        """Returns the text of tokens, special ones left out; of incomplete characters U+FFFD."""
        return self._tokenizer.decode([int(i) for i in ids], skip_special_tokens=True)

    def word_spans(self, ids: Any) -> list[tuple[str, int, int]]:
        runs = itertools.groupby(spell(self, ids), key=lambda char: char[0].isspace())
        words = [[*chars] for space, chars in runs if not space]
        return [("".join(char for char, _, _ in word), word[0][1], word[-1][2]) for word in words]

    def config(self) -> dict[str, Any]:
        return {"type": "byte_pair", "end_ids": [i for i in self.end_ids if i != self.end_id]}

    def files(self) -> dict[str, bytes]:
        return {CONTENT_FILE: self._content, SETTINGS_FILE: self._settings}

    def folder_files(self) -> dict[str, bytes]:
        """Returns the files of a folder of Transformers, by name, as they were read."""
        return {CONTENT: self._content, SETTINGS: self._settings}


def read_byte_pair(path: str | os.PathLike[str]) -> BytePairTokenizer:
    """Reads the tokenizer of a folder of Transformers, or a tokenizer.json.

    Raises:
      TokenizerError: the folder has none, or it is damaged or hostile.
    """
    path = Path(path)
    folder, file = (path, path / CONTENT) if path.is_dir() else (path.parent, path)
    if not file.is_file():
        raise TokenizerError(
            f"{path} has no {CONTENT}; AutoTokenizer.from_pretrained(...).save_pretrained(folder) of Transformers "
            "makes one of other files"
        )
    try:
        settings = _read(folder / SETTINGS) or b"{}"
        named = parse_json(settings, SETTINGS)
        special = parse_json(_read(folder / SPECIAL_MAP) or b"{}", SPECIAL_MAP)
        if special.keys() - named.keys():
            settings = json.dumps(special | named, ensure_ascii=False).encode()
        ends = parse_json(_read(folder / GENERATION) or b"{}", GENERATION).get(f"{END}_id", ())
        ends = [ends] if isinstance(ends, int) else ends or ()
        return BytePairTokenizer(_read(file), settings, end_ids=ends)
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from error


def _read(path: Path) -> bytes:
    """The content of a file; b"" if there is none."""
    if not path.is_file():
        return b""
    try:
        with open(path, "rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise TokenizerError(f"{path.name} cannot be read ({error.strerror or error})") from error
    if len(content) > MOST_BYTES:
        raise TokenizerError(f"{path.name} is larger than {MOST_BYTES} bytes")
    return content
