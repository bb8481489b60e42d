"""The tokenizer of a recipe: the model's, a stored one, one of given characters, or one trained on the transcripts."""

from collections.abc import Iterable, Mapping
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer
from jaxspeech.text.train import train_tokenizer

# Texts that a SentencePiece tokenizer is trained on, at most.
MOST_TEXTS = 1_000_000


def texts_needed(settings: Mapping[str, Any]) -> int | None:
    """How many texts, evenly spaced, are enough for this tokenizer; None: each of them may hold a new character."""
    return None if settings["type"] == "char" else MOST_TEXTS


def choose_tokenizer(settings: Mapping[str, Any], texts: Iterable[str], *, given: Tokenizer | None) -> Tokenizer:
    """The tokenizer that a recipe's `tokenizer` describes, often a new one.

    Args:
      settings: the fields of `tokenizer`.
      texts: that a new one is trained on; they are not touched where none is.
      given: that of the model to start from, if there is one.

    Raises:
      ConfigError: the type is "model", and there is none to start from.
      TokenizerError: it cannot be read or trained.
    """
    if settings["type"] == "model":
        if given is None:
            raise ConfigError('tokenizer.type is "model": init_from must name the model that has it')
        return given
    if settings["path"]:
        return read_tokenizer(settings["path"])
    if settings["characters"]:
        return CharTokenizer(settings["characters"])
    return train_tokenizer(texts, type=settings["type"], vocab_size=settings["vocab_size"])
