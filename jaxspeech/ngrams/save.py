"""Writes n-gram models in the format that a file's name ends in."""

import os
from pathlib import Path

from jaxspeech.errors import ConfigError
from jaxspeech.ngrams.arpa import write_arpa
from jaxspeech.ngrams.file import write_ngrams
from jaxspeech.ngrams.model import NgramModel
from jaxspeech.ngrams.nemo import write_nemo
from jaxspeech.ngrams.words import KINDS, speller

SUFFIXES = (".ngram", ".nemo", ".arpa", ".arpa.gz")


def check_suffix(path: str | os.PathLike[str]) -> None:
    """Raises ConfigError if a file's name says no format."""
    if not str(path).endswith(SUFFIXES):
        raise ConfigError(f"{path}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def save_ngrams(path: str | os.PathLike[str], model: NgramModel, *, words: str | None = None) -> None:
    """Writes a model.

    Args:
      path: ends in .ngram (ours), .nemo (NeMo restores it), .arpa or .arpa.gz.
      words: how an ARPA file spells the tokens, a kind of `ngrams.words`: by default their pieces if they are known,
        else as NeMo does.

    Raises:
      ConfigError: the name ends in nothing of these, or there is no such kind of words.
      LanguageModelError: the file cannot be written.
    """
    check_suffix(path)
    if words not in (None, *KINDS):
        raise ConfigError(f"words={words!r}: use {', '.join(KINDS)}")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if str(path).endswith(".ngram"):
        write_ngrams(path, model)
    elif str(path).endswith(".nemo"):
        write_nemo(path, model)
    else:
        write_arpa(path, model, speller(words or ("pieces" if model.pieces else "offset"), model.pieces))
