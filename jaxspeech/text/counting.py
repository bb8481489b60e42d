"""Counts the tokens of many transcripts quickly."""

import unicodedata
from collections.abc import Iterable

from jaxspeech.text.sentencepiece import WORD_MARK, SentencePieceTokenizer
from jaxspeech.text.spoken_in import Language
from jaxspeech.text.tokenizer import Tokenizer

# Most words whose counts are cached, in some tens of megabytes.
MOST_WORDS = 1 << 19


class TokenCounter:
    """`counter(text, language)` is `len(tokenizer.encode(text, language))`.

    Most SentencePiece models never join two words in one token. The tokens of a text are then those of its words, whose
    counts can be cached: an order of magnitude faster than encoding every text.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._words: dict[str, int] | None = {"": 0} if spells_words_apart(tokenizer) else None

    def __call__(self, text: str, language: Language = None) -> int:
        """Count the tokens of a text; raises TokenizerError if it cannot be encoded."""
        words = self._words
        if words is None or not unicodedata.is_normalized("NFC", text):  # words may be composed or not, one by one
            return len(self._tokenizer.encode(text, language))
        try:
            return sum([words[word] for word in text.split(" ")])
        except KeyError:
            if len(words) > MOST_WORDS:
                words.clear()
                words[""] = 0
            for word in text.split(" "):
                if word not in words:
                    words[word] = len(self._tokenizer.encode(word))
            return sum(words[word] for word in text.split(" "))


def spells_words_apart(tokenizer: Tokenizer) -> bool:
    """Whether `encode(text)` is the concatenation of `encode(word)` over the words of the text."""
    if not isinstance(tokenizer, SentencePieceTokenizer) or WORD_MARK not in tokenizer.pieces:
        return False
    if any(WORD_MARK in piece[1:] for piece in tokenizer.pieces):
        return False  # a space may end a piece, or lie within one

    def same(text: str, words: Iterable[str]) -> bool:
        return tokenizer.encode(text) == [i for word in words for i in tokenizer.encode(word)]

    letters = [piece for piece in tokenizer.pieces if len(piece) == 1 and piece != WORD_MARK][:1]
    # Each word gets its own mark, and extra spaces are ignored.
    return all(tokenizer.encode(f" {a}  {a} ") and same(f" {a}  {a} ", (a, a)) for a in letters) and bool(letters)
