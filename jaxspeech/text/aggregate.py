"""Combines the tokenizers of several languages into one; their ids follow one another."""

import itertools
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jaxspeech.errors import TokenizerError, did_you_mean
from jaxspeech.text.sentencepiece import WORD_MARK
from jaxspeech.text.spoken_in import Language, by_word
from jaxspeech.text.unknown import Unknown


class AggregateTokenizer:
    """Encodes each text with the tokenizer of its language.

    Token i of the second language has the id i + the first language's vocab_size, and so on.

    Args:
      languages: name -> tokenizer, whose pieces mark the start of words as SentencePiece's do, in the order of the ids.
    """

    def __init__(self, languages: Mapping[str, Any]):
        if not languages:
            raise TokenizerError("an aggregate tokenizer needs at least one language")
        self._languages = dict(languages)
        *self._offsets, self.vocab_size = itertools.accumulate((t.vocab_size for t in languages.values()), initial=0)
        self.pieces: tuple[str, ...] = tuple(piece for t in languages.values() for piece in t.pieces)

    @classmethod
    def build(
        cls, *, files: dict[str, bytes], languages: Mapping[str, Any], build_tokenizer: Callable[..., Any]
    ) -> "AggregateTokenizer":
        """Rebuild the tokenizer from its `config()` and `files()`."""
        built = {}
        for language, config in languages.items():
            own = {n.removeprefix(f"{language}."): data for n, data in files.items() if n.startswith(f"{language}.")}
            built[language] = build_tokenizer(config, own)
        return cls(built)

    @property
    def languages(self) -> tuple[str, ...]:
        """The names of the languages, in the order of the ids."""
        return tuple(self._languages)

    def language_of(self, token: int) -> str:
        """The language of a token."""
        return self.languages[bisect_right(self._offsets, token) - 1]

    def encode(self, text: str, language: Language = None) -> list[int]:
        """Encode a text in `language`, which may be omitted only if the tokenizer has a single one.

        With a list, one language for each word between white space, words in a row of one language are encoded
        together.
        """
        if isinstance(language, list | tuple):
            return [i for part, one in self._parts(text, language) for i in self.encode(part, one)]
        language = self._chosen(text, language)
        offset = self._offsets[self.languages.index(language)]
        return [i + offset for i in self._languages[language].encode(text)]

    def find_unknown(self, text: str, language: Language = None) -> Unknown:
        if isinstance(language, list | tuple):
            found = [self.find_unknown(part, one) for part, one in self._parts(text, language)]
            tokens, unknown, characters, lost = (
                sum(getattr(one, name) for one in found) for name in ("tokens", "unknown", "characters", "lost")
            )
            return Unknown(tokens, unknown, characters, lost, "".join(one.missing for one in found))
        return self._languages[self._chosen(text, language)].find_unknown(text)

    @staticmethod
    def _parts(text: str, languages: Sequence[str]) -> list[tuple[str, str]]:
        """The parts of a text in one language each, with the language."""
        words = text.split()
        try:
            pairs = zip(words, by_word(languages, len(words)), strict=True)
        except ValueError as error:
            raise TokenizerError(f'the text {text[:40]!r} does not fit its "lang": {error}') from error
        grouped = itertools.groupby(pairs, key=lambda pair: str(pair[1]))
        return [(" ".join(word for word, _ in pairs), language) for language, pairs in grouped]

    def _chosen(self, text: str, language: Any) -> str:
        if language is None and len(self._languages) == 1:
            language = self.languages[0]
        if language not in self._languages:
            raise TokenizerError(
                f'the text {text[:40]!r} has the language {language!r} ("lang" in a manifest), but this tokenizer is '
                f"for {', '.join(self.languages)}{did_you_mean(str(language), self.languages)}"
            )
        return language

    def decode(self, ids: Any) -> str:
        return "".join(self.pieces[i] for i in ids).replace(WORD_MARK, " ").strip()

    def word_spans(self, ids: Any) -> list[tuple[str, int, int]]:
        begins = [place for place, i in enumerate(ids) if self.pieces[i].startswith(WORD_MARK)]
        bounds = sorted({0, *begins, len(ids)})
        spans = [(self.decode(ids[a:b]), a, b) for a, b in itertools.pairwise(bounds)]
        return [span for span in spans if span[0]]

    def config(self) -> dict[str, Any]:
        return {"type": "aggregate", "languages": {name: t.config() for name, t in self._languages.items()}}

    def files(self) -> dict[str, bytes]:
        return {f"{name}.{file}": data for name, t in self._languages.items() for file, data in t.files().items()}
