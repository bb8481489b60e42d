"""The interface of tokenizers, and functions that rebuild, read and write them."""

import json
import os
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxspeech.errors import TokenizerError
from jaxspeech.files import replace_atomically
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.byte_pair import BytePairTokenizer, read_byte_pair
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.wordpiece import WordPieceTokenizer

CONFIG_FILE = "tokenizer.json"


@runtime_checkable
class Tokenizer(Protocol):
    """Converts text to token ids and back. Ids are below `vocab_size`; the blank has the next id after the tokens."""

    @property
    def vocab_size(self) -> int:
        """Number of tokens, which is also the id of the blank."""
        ...

    @property
    def pieces(self) -> tuple[str, ...]:
        """The spelling of each token, by id."""
        ...

    def encode(self, text: str, language: Language = None) -> list[int]:
        """Encode a text; the language matters to multilingual tokenizers only."""
        ...

    def decode(self, ids: Any) -> str: ...

    def word_spans(self, ids: Any) -> list[tuple[str, int, int]]:
        """Return (word, first token, token after the last) of each word in `decode(ids)`."""
        ...

    def config(self) -> dict[str, Any]:
        """The JSON-serialisable config from which `build_tokenizer(config, files)` rebuilds the tokenizer."""
        ...

    def files(self) -> dict[str, bytes]:
        """The names and contents of the files that belong to the config."""
        ...


def _build_aggregate(**options: Any) -> AggregateTokenizer:
    return AggregateTokenizer.build(build_tokenizer=build_tokenizer, **options)


_TYPES = {
    "byte_pair": BytePairTokenizer.build,
    "char": CharTokenizer.build,
    "sentencepiece": SentencePieceTokenizer.build,
    "wordpiece": WordPieceTokenizer.build,
    "aggregate": _build_aggregate,
}


def build_tokenizer(config: dict[str, Any], files: dict[str, bytes]) -> Tokenizer:
    """Rebuild the tokenizer that returned this `config()` and these `files()`."""
    fields = {name: value for name, value in config.items() if name != "type"}
    try:
        build = _TYPES[config["type"]]
        return build(files=files, **fields)
    except KeyError as error:
        raise TokenizerError(
            f"tokenizer type {config.get('type')!r} is unknown; use one of {sorted(_TYPES)}"
        ) from error
    except TypeError as error:
        raise TokenizerError(
            f"tokenizer config {sorted(fields)} does not fit type {config['type']!r}: {error}"
        ) from error


def read_tokenizer(path: str | os.PathLike[str]) -> Tokenizer:
    """Read a tokenizer from a folder of `write_tokenizer` or of Transformers, a tokenizer.json or a `.model` file.

    Raises:
      TokenizerError: it is missing or damaged; the message is one line that names the file.
    """
    path = Path(path)
    try:
        if path.is_file():
            return read_byte_pair(path) if path.suffix == ".json" else SentencePieceTokenizer(path.read_bytes())
        config = json.loads((path / CONFIG_FILE).read_bytes())  # UTF-8, whatever the locale
        if not isinstance(config, dict):
            raise TokenizerError(f"{path / CONFIG_FILE} is no JSON object")
        if "type" not in config:
            return read_byte_pair(path)
        names = [file.name for file in path.iterdir() if file.is_file() and file.name != CONFIG_FILE]
        return build_tokenizer(config, {name: (path / name).read_bytes() for name in names})
    except TokenizerError as error:
        raise (error if str(path) in str(error) else TokenizerError(f"{path}: {error}")) from error.__cause__
    except (OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise TokenizerError(f"no tokenizer at {path}: {error}; give a .model file or a tokenizer's folder") from error


def write_tokenizer(folder: str | os.PathLike[str], tokenizer: Tokenizer) -> None:
    """Write the tokenizer's config and files to a folder, and a readable list of its tokens, `vocab.txt`."""
    folder = Path(folder)
    config = json.dumps(tokenizer.config(), ensure_ascii=False, indent=1)
    vocab = "".join(f"{piece}\n" for piece in tokenizer.pieces)
    contents = {**tokenizer.files(), "vocab.txt": vocab.encode(), CONFIG_FILE: config.encode()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in contents.items():
            with replace_atomically(folder / name) as temporary:
                temporary.write_bytes(data)
    except OSError as error:
        raise TokenizerError(f"the tokenizer cannot be written to {folder}: {error}") from error
