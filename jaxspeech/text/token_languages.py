"""Languages of what was recognised with an aggregate tokenizer: its tokens say in which language each word is.

    of a word, and of a text     the language of most of its tokens
    of a sentence                the language of most of its words
    "lang" of a manifest's line  one language or, of code-switched speech, one for each word of the text

Where several are as frequent it is the first of them. The tokens of an attention decoder with prompts say nothing here:
it is asked for a language, and its text may be a translation. Source: NeMo's AggregateTokenizer (ids_to_lang,
ids_to_words_and_langs in collections/common/tokenizers/aggregate_tokenizer.py).
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.prompt import special_tokens
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.words import WordSpan

# What the line of an utterance in several languages is counted as.
SEVERAL = "several"


def most_frequent(languages: Iterable[str | None]) -> str | None:
    """Returns the most frequent language, the first of several; None where none is known."""
    counts = Counter(language for language in languages if language is not None)
    return counts.most_common(1)[0][0] if counts else None


def _of_languages(tokenizer: Tokenizer) -> AggregateTokenizer | None:
    """The tokenizer if its tokens say in which language something was said."""
    return tokenizer if isinstance(tokenizer, AggregateTokenizer) and not special_tokens(tokenizer) else None


def token_languages(tokenizer: Tokenizer, ids: Sequence[int]) -> list[str | None]:
    """Returns the language of each token; None for tokens that are not of an aggregate tokenizer."""
    if (several := _of_languages(tokenizer)) is None:
        return [None] * len(ids)
    return [several.language_of(token) if token < several.vocab_size else None for token in ids]


def text_language(tokenizer: Tokenizer, ids: Sequence[int]) -> str | None:
    """Returns the language of a text by its tokens; None without an aggregate tokenizer, or without tokens."""
    return most_frequent(token_languages(tokenizer, ids))


def word_languages(tokenizer: Tokenizer, ids: Sequence[int], spans: Sequence[WordSpan]) -> list[str | None]:
    """Returns the language of each word.

    Args:
      tokenizer: of the ids.
      ids: the tokens.
      spans: (word, first token, token after the last) of each word, see `text.words.token_words`.
    """
    if _of_languages(tokenizer) is None:
        return [None] * len(spans)
    languages = token_languages(tokenizer, ids)
    return [most_frequent(languages[math.floor(first) : math.ceil(stop)]) for _, first, stop in spans]


def line_language(lang: Any) -> str:
    """Returns the language that a line's "lang" counts as: "" for none, SEVERAL for words in different ones."""
    if isinstance(lang, list | tuple):
        different = {str(one) for one in lang}
        return SEVERAL if len(different) > 1 else next(iter(different), "")
    return str(lang) if lang else ""
