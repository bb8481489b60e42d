"""Trains an aggregate tokenizer: one SentencePiece model for each language, on the texts of that language."""

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from jaxspeech.errors import TokenizerError
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.spoken_in import Language, by_word
from jaxspeech.text.train import manifest_texts, train_tokenizer


def train_aggregate(
    texts: Iterable[tuple[str, Language]],
    languages: Sequence[str],
    *,
    type: Literal["bpe", "unigram"],
    vocab_size: int = 1024,
    special: Sequence[str] = (),
) -> AggregateTokenizer:
    """Train the tokenizer of each language, and combine them in this order.

    Args:
      texts: the transcripts with their languages; of a text in several, each word counts for its own.
      languages: the names of the languages, as in the manifests.
      type, special: see `train_tokenizer`; special tokens are those of the first language.
      vocab_size: number of tokens of each language.

    Raises:
      TokenizerError: a language is named twice or has no text, a text has none of the languages, or the vocabulary does
        not fit.
    """
    if type == "char":
        raise TokenizerError("a tokenizer of several languages has pieces; use bpe or unigram")
    if len({*languages}) < len(languages) or not languages:
        raise TokenizerError(f"languages: {', '.join(languages) or 'none'}; each must be named once")
    own: dict[str, list[str]] = {language: [] for language in languages}
    for text, language in texts:
        words = text.split()
        try:
            spoken = by_word(language, len(words))
        except ValueError as error:
            raise TokenizerError(f"the text {text[:40]!r}: {error}") from error
        if not words:
            continue
        for one in {*spoken}:
            if one not in own:
                raise TokenizerError(
                    f'the text {text[:40]!r} has the language {one!r} ("lang"), which is none of {", ".join(languages)}'
                )
            own[one].append(" ".join(word for word, its in zip(words, spoken, strict=True) if its == one))
    tokenizers = {}
    for number, (language, said) in enumerate(own.items()):
        if not said:
            raise TokenizerError(f'there is no text of the language {language!r}: no line has it as its "lang"')
        tokens = special if number == 0 else ()
        try:
            tokenizers[language] = train_tokenizer(said, type=type, vocab_size=vocab_size, special=tokens)
        except TokenizerError as error:
            raise TokenizerError(f"{language}: {error}") from error
    return AggregateTokenizer(tokenizers)


def read_spoken(manifests: Iterable[str], *, report: Callable[[str], None]) -> list[tuple[str, Language]]:
    """Read the `text` and `lang` of every manifest line; see `train.read_texts`.

    Raises:
      TokenizerError: a manifest cannot be read, or a line has no `text`.
    """
    return [(text, fields.get("lang")) for text, fields in manifest_texts(manifests, report=report)]
