"""Makes the tokenizer of a recipe: the model's, a stored one, a given alphabet, or one trained on the transcripts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.text.canonical import compose
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.train_languages import train_aggregate

# Most texts that a SentencePiece tokenizer is trained on.
MOST_TEXTS = 1_000_000


def texts_needed(settings: Mapping[str, Any]) -> int | None:
    """The number of texts, evenly spaced, to train this tokenizer on; None: all, as any may have a new character."""
    return None if settings["type"] == "char" else MOST_TEXTS


def choose_tokenizer(
    settings: Mapping[str, Any],
    texts: Iterable[str],
    *,
    given: Tokenizer | None,
    special: Sequence[str] = (),
    spoken: Iterable[tuple[str, Language]] | None = None,
) -> Tokenizer:
    """Make the tokenizer that a recipe's `tokenizer` describes.

    Args:
      settings: the fields of `tokenizer`; with `languages`, a new tokenizer is that of each language, and combined.
      texts: the texts to train a new tokenizer on; not read if none is trained.
      given: the tokenizer of the model to start from, if there is one.
      special: special tokens of a new tokenizer.
      spoken: the texts with their languages; None: a new tokenizer is that of all texts.

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
    if languages := settings.get("languages"):
        if spoken is None:
            raise ConfigError("tokenizer.languages: this task has one tokenizer for all texts")
        options: dict[str, Any] = {"type": settings["type"], "vocab_size": settings["vocab_size"]}
        return train_aggregate(spoken, list(languages), special=special, **options)
    return train_tokenizer(texts, type=settings["type"], vocab_size=settings["vocab_size"], special=special)
