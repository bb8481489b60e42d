"""Reads n-gram models of any format for a tokenizer: ours (.ngram), NeMo's (.nemo), ARPA (plain or gzipped)."""

import os
from collections.abc import Sequence
from pathlib import Path

from jaxspeech.errors import ConfigError, LanguageModelError
from jaxspeech.ngrams.arpa import read_arpa
from jaxspeech.ngrams.file import read_ngrams, tokenizer_hash
from jaxspeech.ngrams.model import NgramModel, build_orders
from jaxspeech.ngrams.nemo import read_nemo
from jaxspeech.ngrams.words import KINDS, guess_kind, tokens_of
from jaxspeech.text.tokenizer import Tokenizer

ZIP_MAGIC = b"PK"


def load_ngrams(
    path: str | os.PathLike[str],
    tokenizer: Tokenizer | None = None,
    *,
    words: str | None = None,
    over_words: bool = False,
) -> NgramModel:
    """Reads a model, whatever its format.

        lm = to_ngram(load_ngrams("lm.ngram", asr.tokenizer))     # for a search

    Args:
      path: a file in our format, NeMo's or ARPA; the content says which.
      tokenizer: whose tokens the model must be over. Without one a model is read as it is.
      words: of an ARPA file, what its words are: a kind of `ngrams.words`; None finds out.
      over_words: whether a model over words is returned, too; see `lexicon` for its use with a tokenizer.

    Raises:
      LanguageModelError: the file is missing or damaged; or it is of another tokenizer, or over words.
    """
    path = Path(path)
    if not path.is_file():
        raise LanguageModelError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    pieces = () if tokenizer is None else tuple(tokenizer.pieces)
    with open(path, "rb") as file:
        ours = file.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    if ours:
        model = read_ngrams(path)
    elif path.suffix == ".nemo":
        model = read_nemo(path)
    else:
        model = from_arpa(path, vocab_size=len(pieces) or None, pieces=pieces, words=words)
    if tokenizer is None or (over_words and model.words):
        return model
    return _of_tokenizer(path, model, pieces)


def from_arpa(
    path: str | os.PathLike[str], *, vocab_size: int | None = None, pieces: Sequence[str] = (), words: str | None = None
) -> NgramModel:
    """Reads an ARPA file.

    Args:
      vocab_size: V of the tokenizer; None if there is none, and then the model is over the words of the file.
      pieces: of the tokenizer.
      words: see `load_ngrams`.

    Raises:
      LanguageModelError: the file is missing or damaged, or has words that are no tokens.
      ConfigError: there is no such kind of words.
    """
    if words is not None and words not in KINDS:
        raise ConfigError(f"words={words!r}: use {', '.join(KINDS)}")
    found, parts = read_arpa(path)
    try:
        kind = "words" if vocab_size is None else words or guess_kind(found, pieces, vocab_size)
        if kind == "words":
            vocab_size = len(found)
        tokens = tokens_of(found, kind, pieces, vocab_size or 0)
        if kind == "words":
            pieces = tuple(word for word, token in zip(found, tokens, strict=True) if token >= 0)
            vocab_size = len(pieces)
        orders = build_orders([part._replace(tokens=tokens[part.tokens]) for part in parts], vocab_size or 0)
    except LanguageModelError as error:
        raise LanguageModelError(f"{path}: {error}") from error
    return NgramModel(orders, vocab_size or 0, tuple(pieces), words=kind == "words")


def _of_tokenizer(path: Path, model: NgramModel, pieces: tuple[str, ...]) -> NgramModel:
    if model.words:
        raise LanguageModelError(
            f"{path}: a model over words, as {_some(model.pieces)}, not over the tokenizer's tokens"
        )
    if model.vocab_size != len(pieces) or (model.pieces and model.pieces != pieces):
        theirs = f"{model.vocab_size} tokens" + (f", {tokenizer_hash(model.pieces)[:12]}" if model.pieces else "")
        ours = f"{len(pieces)} tokens, {tokenizer_hash(pieces)[:12]}"
        raise LanguageModelError(
            f"{path}: made for another tokenizer ({theirs}) than the model's ({ours}): train it again with --model"
        )
    return model._replace(pieces=pieces)


def _some(pieces: Sequence[str]) -> str:
    return ", ".join(map(repr, pieces[:3]))
