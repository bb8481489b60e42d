"""Spells a given text in a tokenizer's tokens, for alignment, and keeps each word as it was written.

A word is spelled by the first of its forms that survives encoding and decoding: as it is written, in the other case,
without punctuation ("well-known," as "well known"), without accents, or reduced to its letters. A word without such a
form (a number, a different script) becomes one wildcard. A silent mark that cannot be spelled (a dash between spaces)
is attached to the word before it.
"""

import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jaxspeech.errors import TokenizerError
from jaxspeech.text.char import SPACE
from jaxspeech.text.normalize import normalize
from jaxspeech.text.tokenizer import Tokenizer

# Marks that are read out although Unicode classifies them as punctuation.
SPOKEN_MARKS = "%&@#§"


class Spelling(NamedTuple):
    """The tokens of a text.

    Attributes:
      ids: token ids; the wildcard is V + 1, which follows the blank.
      pieces: the text of each token: the token's own spelling or, for a wildcard, the whole word.
      words: (word, first token, token after the last) of each word.
      lines: (first word, word after the last) of each line of the text that has words.
      unspelled: the words that became wildcards.
    """

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    words: tuple[tuple[str, int, int], ...]
    lines: tuple[tuple[int, int], ...]
    unspelled: tuple[str, ...]


def spell(text: str, tokenizer: Tokenizer, *, language: str | None = None) -> Spelling:
    """Spell a text, word by word.

    Args:
      text: words separated by white space.
      tokenizer: the model's tokenizer.
      language: the language of the text, for a multilingual tokenizer.

    Raises:
      TokenizerError: the tokenizer needs a language, and does not have this one.
    """
    tokenizer.encode("", language)  # raises if the language is wrong; below, an error means an unspellable word
    wildcard = tokenizer.vocab_size + 1
    between = [tokenizer.pieces.index(SPACE)] if SPACE in tokenizer.pieces else []
    known: dict[str, list[int] | None] = {}

    def ids_of(word: str) -> list[int] | None:
        if word not in known:
            known[word] = _spell_word(word, lambda form: _encode(form, tokenizer, language))
        return known[word]

    ids: list[int] = []
    pieces: list[str] = []
    words: list[tuple[str, int, int]] = []
    lines: list[tuple[int, int]] = []
    unspelled: list[str] = []
    silent_start = ""
    for line in text.splitlines():
        first_word = len(words)
        for word in line.split():
            found = ids_of(word)
            if found is None and _is_silent(word):
                if words:
                    before, first, stop = words[-1]
                    words[-1] = f"{before} {word}", first, stop
                else:
                    silent_start += f"{word} "
                continue
            if words:
                ids += between
                pieces += [SPACE] * len(between)
            first = len(ids)
            if found is None:
                unspelled.append(word)
                ids.append(wildcard)
                pieces.append(word)
            else:
                ids += found
                pieces += [tokenizer.pieces[i] for i in found]
            words.append((silent_start + word, first, len(ids)))
            silent_start = ""
        if len(words) > first_word:
            lines.append((first_word, len(words)))
    return Spelling(tuple(ids), tuple(pieces), tuple(words), tuple(lines), tuple(unspelled))


def _spell_word(word: str, encode: Callable[[str], list[int] | None]) -> list[int] | None:
    return next((ids for form in _forms(word) if (ids := encode(form))), None)


def _forms(word: str) -> Iterator[str]:
    bare = normalize(word, lowercase=False)
    plain = "".join(char for char in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(char))
    letters = "".join(char for char in plain if char.isalnum() or char.isspace())
    for form in (word, bare, plain, letters):
        yield from (form, form.lower(), form.upper())


def _encode(form: str, tokenizer: Tokenizer, language: str | None) -> list[int] | None:
    """The tokens of a form, or None if they do not decode to it."""
    try:
        ids = tokenizer.encode(form, language)
    except TokenizerError:  # a character that is not in the alphabet
        return None
    return ids if _folded(tokenizer.decode(ids)) == _folded(form) else None


def _folded(text: str) -> str:
    """Remove what a tokenizer's own normalisation may change: case, compatibility characters, white space."""
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_silent(word: str) -> bool:
    silent = ("P", "So", "Sk", "C", "M")
    return all(unicodedata.category(char).startswith(silent) and char not in SPOKEN_MARKS for char in word)
