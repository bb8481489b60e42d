"""Reads NeMo's tokenizers: characters, SentencePiece ("bpe"), word pieces ("wpe"), several languages ("agg").

AI4Bharat's fork of NeMo calls several languages "multilingual".
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.sections.read import class_name, value_at
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.sentencepiece import SentencePieceTokenizer
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.wordpiece import WordPieceTokenizer

# Several languages, the first of which are special tokens; or one SentencePiece model that has these too.
CANARY_TOKENIZERS = ("CanaryTokenizer", "CanaryBPETokenizer", "CanaryMultilingualTokenizer")


def read_tokenizer(file: NemoFile, config: Mapping[str, Any], num_tokens: int | None) -> Tokenizer:
    """Reads the tokenizer of a .nemo file.

    Args:
      file: holds the tokenizer's files.
      config: the content of model_config.yaml.
      num_tokens: of the model's decoder, without the blank; None if it follows from the tokenizer.

    Raises:
      ArchiveError: it is missing, of an unknown kind, or has a different number of tokens.
    """
    section = config.get("tokenizer")
    tokenizer = _characters(config) if section is None else _tokenizer(file, section, "tokenizer")
    if num_tokens is not None and tokenizer.vocab_size != num_tokens:
        raise ArchiveError(f"its tokenizer has {tokenizer.vocab_size} pieces, its decoder {num_tokens}")
    return tokenizer


def _characters(config: Mapping[str, Any]) -> CharTokenizer:
    places = (config, *(config.get(part) for part in ("decoder", "joint")))
    found = [p[name] for p in places if isinstance(p, Mapping) for name in ("labels", "vocabulary") if p.get(name)]
    if not found or not isinstance(found[0], list):
        raise ArchiveError("it has no tokenizer, and no list of labels")
    return CharTokenizer([str(character) for character in found[0]])


def _tokenizer(file: NemoFile, section: Any, place: str) -> Tokenizer:
    kind = section.get("type") if isinstance(section, Mapping) else section
    if kind not in KINDS:
        raise ArchiveError(f"not supported: {place}.type {kind!r} (can be {', '.join(map(repr, KINDS))})")
    return KINDS[kind](file, section, place)


def _sentencepiece(file: NemoFile, section: Mapping[str, Any], place: str) -> Tokenizer:
    return SentencePieceTokenizer(_member(file, section, "tokenizer.model", "model_path"))


def _word_pieces(file: NemoFile, section: Mapping[str, Any], place: str) -> Tokenizer:
    return WordPieceTokenizer(_member(file, section, "vocab.txt", "vocab_path", "model_path"))


def _languages(file: NemoFile, section: Mapping[str, Any], place: str) -> Tokenizer:
    languages = section.get("langs")
    if not isinstance(languages, Mapping) or not languages:
        raise ArchiveError(f"{place}.langs is missing")
    custom = section.get("custom_tokenizer")
    if custom and class_name(value_at(custom, "_target_")) not in CANARY_TOKENIZERS:
        raise ArchiveError(f"not supported: {place}.custom_tokenizer")
    return AggregateTokenizer({str(n): _tokenizer(file, s, f"{place}.langs.{n}") for n, s in languages.items()})


def _member(file: NemoFile, section: Mapping[str, Any], usual: str, *arguments: str) -> bytes:
    """Reads the file that an argument names, or the usual one: old archives name a path on the training machine."""
    named = (str(section[argument]) for argument in arguments if section.get(argument))
    names = [PurePosixPath(name.removeprefix("nemo:")).name for name in named]
    name = next((name for name in [*names, usual] if name in file.names), None)
    if name is None:
        raise ArchiveError(f"it has no member {names[0] if names else usual!r}, its tokenizer")
    return file.read(name)


KINDS: dict[str, Callable[[NemoFile, Mapping[str, Any], str], Tokenizer]] = {
    "bpe": _sentencepiece,
    "wpe": _word_pieces,
    "agg": _languages,
    "multilingual": _languages,
}
