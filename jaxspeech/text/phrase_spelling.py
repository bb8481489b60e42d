"""Spells phrases in a tokenizer's tokens, in the forms in which a recogniser may write them.

forms       as it is written; in lower case; with a capital, and one in each word. If the tokenizer has none of these:
            in upper case, without punctuation, without accents
spellings   the tokenizer's own, and those with the fewest tokens of all others, as a model does not spell a rare name
            as its tokenizer does

A word begins after a space: in an alphabet with a space, a phrase is that space and its letters, and the same with one
more space, so that the space after it counts too. Where words are written without spaces, a phrase also follows another
word without the mark of a word's start.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.char import SPACE
from jaxspeech.text.normalize import normalize
from jaxspeech.text.phrases import Phrase
from jaxspeech.text.sentencepiece import WORD_MARK
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.wordpiece import INSIDE
from jaxspeech.text.words import is_unspaced

# Spellings of each form of a phrase, the tokenizer's own included.
SPELLINGS = 3
# Pieces are at most so long.
_LONGEST_PIECE = 32
Ids = tuple[int, ...]


class SpelledPhrases(NamedTuple):
    """Phrases in tokens.

    Attributes:
      ids: token ids of each spelling of each phrase.
      weights: of each spelling.
      space: the token that begins any word, whose letters are other tokens; None without such a token.
      between: whether it stands only between words, not before the first one.
      unspelled: the phrases that the tokenizer cannot spell.
    """

    ids: tuple[Ids, ...]
    weights: tuple[float, ...]
    space: int | None
    between: bool
    unspelled: tuple[str, ...]


def spell_phrases(phrases: Iterable[Phrase], tokenizer: Tokenizer, *, spellings: int = SPELLINGS) -> SpelledPhrases:
    """Spells phrases.

    Args:
      phrases: each once.
      tokenizer: the model's.
      spellings: the most spellings of each form.

    Raises:
      TokenizerError: a phrase is in a language that a multilingual tokenizer does not have.
    """
    between, mark = SPACE in tokenizer.pieces, SPACE if SPACE in tokenizer.pieces else WORD_MARK
    space = tokenizer.pieces.index(mark) if mark in tokenizer.pieces else None
    found: dict[Ids, float] = {}
    unspelled: list[str] = []
    spellers: dict[str | None, _Speller] = {}
    for phrase in phrases:
        spelled = False
        for language in _languages(phrase, tokenizer):
            if language not in spellers:
                spellers[language] = _Speller(tokenizer, language, space if between else None, spellings)
            for ids in spellers[language].spell(phrase):
                spelled = True
                found[ids] = max(phrase.weight, found.get(ids, phrase.weight), key=abs)
        if not spelled:
            unspelled.append(phrase.text)
    return SpelledPhrases(tuple(found), tuple(found.values()), space, between, tuple(unspelled))


def _languages(phrase: Phrase, tokenizer: Tokenizer) -> Sequence[str | None]:
    if phrase.language is None and isinstance(tokenizer, AggregateTokenizer):
        return tokenizer.languages
    if phrase.language is not None:
        tokenizer.encode("", phrase.language)  # raises if there is no such language
    return (phrase.language,)


class _Speller:
    """Spells in one language of a tokenizer."""

    def __init__(self, tokenizer: Tokenizer, language: str | None, space: int | None, spellings: int):
        self._tokenizer, self._language, self._space = tokenizer, language, space
        ids: Iterable[int] = range(tokenizer.vocab_size)
        if isinstance(tokenizer, AggregateTokenizer):
            ids = (i for i in ids if tokenizer.language_of(i) == language)
        pieces = {tokenizer.pieces[i]: i for i in ids}
        self._others = None if space is not None or spellings < 2 else _Segments(pieces, spellings)

    def spell(self, phrase: Phrase) -> Iterator[Ids]:
        """Yields the spellings of a phrase, some perhaps twice."""
        for forms in _forms(phrase.text, exact=phrase.exact):
            spelled = False
            for form in dict.fromkeys(forms):
                if ids := self._encode(form):
                    spelled = True
                    yield from self._spellings(form, ids)
            if spelled:
                return

    def _spellings(self, form: str, ids: Ids) -> Iterator[Ids]:
        unspaced = is_unspaced(form)
        if self._space is not None:
            yield ids if unspaced else (self._space, *ids)
            if not unspaced:  # and, better, before the next word: else a phrase runs into it
                yield (self._space, *ids, self._space)
            return
        yield ids
        if self._others is not None:
            yield from self._others.of([self._tokenizer.pieces[i] for i in ids], unspaced=unspaced)

    def _encode(self, form: str) -> Ids | None:
        """The tokens of a form; None if they do not stand for it."""
        try:
            ids = self._tokenizer.encode(form, self._language)
        except TokenizerError:  # a character that is not in the alphabet
            return None
        return tuple(ids) if _compared(self._tokenizer.decode(ids)) == _compared(form) else None


class _Segments:
    """Other ways to spell words with the pieces of a vocabulary, those of the fewest tokens first."""

    def __init__(self, pieces: dict[str, int], most: int):
        self._pieces, self._most = pieces, most
        longest = min(max(map(len, pieces)), _LONGEST_PIECE)
        self._inside = any(piece.startswith(INSIDE) for piece in pieces)
        self._of_word: Callable[[str], list[Ids]] = lru_cache(1 << 16)(lambda word: self._segment(word, longest))

    def of(self, spelling: Sequence[str], *, unspaced: bool) -> Iterator[Ids]:
        """Yields other spellings of what some pieces spell; where words have no spaces, without the mark of a word."""
        words: list[str] = []
        for piece in spelling:
            inside = piece.startswith(INSIDE) if self._inside else not piece.startswith(WORD_MARK)
            if inside and words:
                words[-1] += piece.removeprefix(INSIDE) if self._inside else piece
            else:
                words.append(piece)
        if unspaced and words:
            words[0] = words[0].removeprefix(WORD_MARK)
        ways = [self._of_word(word) for word in words]
        if not all(ways):
            return
        for i in range(max(map(len, ways))):
            yield tuple(token for way in ways for token in way[min(i, len(way) - 1)])

    def _segment(self, word: str, longest: int) -> list[Ids]:
        best: list[list[Ids]] = [[()], *([] for _ in word)]
        for start in range(len(word)):
            if not best[start]:
                continue
            prefix = INSIDE if self._inside and start else ""
            for end in range(min(start + longest, len(word)), start, -1):
                piece = word[start:end]
                token = self._pieces.get(prefix + piece)
                # A mark alone would prefer every word.
                if token is None or (piece == WORD_MARK and end < len(word)):
                    continue
                best[end] += [(*ids, token) for ids in best[start]]
                best[end] = sorted(best[end], key=len)[: self._most]
        return best[-1]


def _forms(text: str, *, exact: bool) -> Iterator[tuple[str, ...]]:
    """Yields groups of forms; the first that a tokenizer can spell at least in part is used."""
    if exact:
        yield (text,)
        return
    bare = normalize(text, lowercase=False)
    plain = "".join(char for char in unicodedata.normalize("NFKD", bare) if not unicodedata.combining(char))
    for form in (text, bare, plain):
        capitals = " ".join(word[:1].upper() + word[1:] for word in form.split(" "))
        yield form, form.lower(), form[:1].upper() + form[1:], capitals
        yield (form.upper(),)


def _compared(text: str) -> str:
    """A text without what a tokenizer's own normalisation may change; its case stays."""
    return "".join(unicodedata.normalize("NFKC", text).split())
