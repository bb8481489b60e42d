"""Makes the tokenizer of a recipe: the model's, a stored one, a given alphabet, or one trained on the transcripts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.text.canonical import compose
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer
from jaxspeech.text.train import train_tokenizer

# Most texts that a SentencePiece tokenizer is trained on.
MOST_TEXTS = 1_000_000


def texts_needed(settings: Mapping[str, Any]) -> int | None:
    """The number of texts, evenly spaced, to train this tokenizer on; None: all, as any may have a new character."""
    return None if settings["type"] == "char" else MOST_TEXTS


def choose_tokenizer(
    settings: Mapping[str, Any], texts: Iterable[str], *, given: Tokenizer | None, special: Sequence[str] = ()
) -> Tokenizer:
    """Make the tokenizer that a recipe's `tokenizer` describes.

    Args:
      settings: the fields of `tokenizer`.
      texts: the texts to train a new tokenizer on; not read if none is trained.
      given: the tokenizer of the model to start from, if there is one.
      special: special tokens of a new tokenizer.

    Raises:
      ConfigError: the type is "model", and there is no model to start from.
      TokenizerError: the tokenizer cannot be read or trained.
    """
    if settings["type"] == "model":
        if given is None:
            raise ConfigError('tokenizer.type is "model": init_from must name the model that has the tokenizer')
        return given
    if settings["path"]:
        return read_tokenizer(settings["path"])
    if settings["characters"]:
        characters = settings["characters"]
        return CharTokenizer(compose(characters) if isinstance(characters, str) else characters)
    return train_tokenizer(texts, type=settings["type"], vocab_size=settings["vocab_size"], special=special)
