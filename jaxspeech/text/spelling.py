"""Spells a given text in a tokenizer's tokens, for alignment, and keeps each word as it was written.

A word is spelled by the first of its forms that survives encoding and decoding: as it is written, in the other case,
without punctuation ("well-known," as "well known"), without accents, or reduced to its letters. A word without such a
form (a number, a different script) becomes one wildcard. A silent mark that cannot be spelled (a dash between spaces)
is attached to the word before it.

In scripts without spaces a word is a character (see `text.words`). Characters that follow one another are encoded
together, as in a transcript.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import groupby
from typing import NamedTuple

from jaxspeech.errors import TokenizerError
from jaxspeech.spacing import Attached, space_before
from jaxspeech.text.canonical import is_blank
from jaxspeech.text.char import SPACE
from jaxspeech.text.normalize import normalize
from jaxspeech.text.sentencepiece import WORD_MARK
from jaxspeech.text.spoken_in import Language, by_word
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.words import WordSpan, divide, split_word

# Marks that are read out although Unicode classifies them as punctuation.
SPOKEN_MARKS = "%&@#§"


class _Unit(NamedTuple):
    """Words that are encoded together.

    Attributes:
      ids: their tokens; empty if they cannot be spelled.
      words: with places counted from the first of the ids.
    """

    ids: list[int]
    words: list[WordSpan]


class Spelling(NamedTuple):
    """The tokens of a text.

    Attributes:
      ids: token ids; the wildcard is V + 1, which follows the blank.
      pieces: the text of each token: the token's own spelling or, for a wildcard, the whole word.
      words: (word, first token, token after the last) of each word; fractions where a token holds several words.
      lines: (first word, word after the last) of each line of the text that has words.
      unspelled: the words that became wildcards.
    """

    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    words: tuple[WordSpan, ...]
    lines: tuple[tuple[int, int], ...]
    unspelled: tuple[str, ...]


def spell(text: str, tokenizer: Tokenizer, *, language: Language = None) -> Spelling:
    """Spell a text, word by word.

    Args:
      text: words separated by white space.
      tokenizer: the model's tokenizer.
      language: the language of the text, for a multilingual tokenizer; or that of each word.

    Raises:
      TokenizerError: the tokenizer needs a language, and does not have this one; or there are more or fewer languages
        than words.
    """
    try:
        languages = iter(by_word(language, len(text.split())))
    except ValueError as error:
        raise TokenizerError(f"the text {text[:40]!r} does not fit its languages: {error}") from error
    for one in {language} if language is None or isinstance(language, str) else {*language}:
        tokenizer.encode("", one)  # raises if the language is wrong; below, an error means an unspellable word
    wildcard = tokenizer.vocab_size + 1
    between = [tokenizer.pieces.index(SPACE)] if SPACE in tokenizer.pieces else []
    known: dict[tuple[str, str | None], tuple[str, list[int]] | None] = {}

    def ids_of(word: str, language: str | None) -> tuple[str, list[int]] | None:
        if (word, language) not in known:
            known[word, language] = _spell_word(word, lambda form: _encode(form, tokenizer, language))
        return known[word, language]

    def units(line: str) -> Iterator[_Unit]:
        for word in line.split():
            one = next(languages)
            yield from _units([word], partial(ids_of, language=one), tokenizer, one)

    ids: list[int] = []
    pieces: list[str] = []
    words: list[WordSpan] = []
    lines: list[tuple[int, int]] = []
    unspelled: list[str] = []
    silent_start = ""
    for line in text.splitlines():
        first_word = len(words)
        for unit in units(line):
            written = unit.words[0][0]
            if not unit.ids and _is_silent(written):
                if words:
                    before, begin, stop = words[-1]
                    words[-1] = type(before)(before + space_before(written) + written), begin, stop
                else:
                    silent_start += f"{written} "
                continue
            if words and not isinstance(written, Attached):
                ids += between
                pieces += [SPACE] * len(between)
            first = len(ids)
            if not unit.ids:
                unspelled.append(written)
            ids += unit.ids or [wildcard]
            pieces += [tokenizer.pieces[i] for i in unit.ids] or [written]
            words += [(word, first + begin, first + stop) for word, begin, stop in unit.words]
            if silent_start:
                words[0] = silent_start + words[0][0], *words[0][1:]
                silent_start = ""
        if len(words) > first_word:
            lines.append((first_word, len(words)))
    return Spelling(tuple(ids), tuple(pieces), tuple(words), tuple(lines), tuple(unspelled))


def _units(
    words: Iterable[str],
    ids_of: Callable[[str], tuple[str, list[int]] | None],
    tokenizer: Tokenizer,
    language: str | None,
) -> Iterator[_Unit]:
    """Yields the words of a line, those without spaces between them together where they can be spelled."""
    for word in words:
        if is_blank(word):
            continue
        parts = split_word(word)
        for spelled, group in groupby(parts, key=lambda part: ids_of(part) is not None):
            members = list(group)
            if not spelled or len(parts) == 1:
                for part in members:
                    found = ids_of(part)
                    ids = found[1] if found else []
                    yield _Unit(ids, [(part, 0, max(len(ids), 1))])
            else:
                yield from _together(members, [ids_of(part) or ("", []) for part in members], tokenizer, language)


def _together(
    parts: list[str], forms: list[tuple[str, list[int]]], tokenizer: Tokenizer, language: str | None
) -> Iterator[_Unit]:
    """Encodes attached words as one text; one by one if that changes them."""
    whole = "".join(form for form, _ in forms)
    ids = _encode(whole, tokenizer, language)
    heard = ["".join(tokenizer.decode(own).split()) for _, own in forms]
    if ids is None or "".join(tokenizer.decode(ids).split()) != "".join(heard):
        for part, (_, own) in zip(parts, forms, strict=True):
            own = _continued(own, part, tokenizer)
            yield _Unit(own, [(part, 0, len(own))])
        return
    ids = _continued(ids, parts[0], tokenizer)
    pieces = ["".join(tokenizer.pieces[i].split()) for i in ids]
    places = divide(heard, pieces)
    yield _Unit(ids, [(part, begin, stop) for part, (_, begin, stop) in zip(parts, places, strict=True)])


def _continued(ids: list[int], word: str, tokenizer: Tokenizer) -> list[int]:
    """The tokens of a text without those of the space before it, if it follows another word without a space."""
    alone = isinstance(word, Attached) and len(ids) > 1 and tokenizer.pieces[ids[0]] == WORD_MARK
    return ids[1:] if alone else ids


def _spell_word(word: str, encode: Callable[[str], list[int] | None]) -> tuple[str, list[int]] | None:
    """The form of a word that can be spelled, and its tokens."""
    return next(((form, ids) for form in _forms(word) if (ids := encode(form))), None)


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
