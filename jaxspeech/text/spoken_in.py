"""The language of a text, as the "lang" of a manifest's line says it."""

from collections.abc import Sequence

# One language, or one for each word between white space; None: not known, or of no matter.
Language = str | Sequence[str] | None


def by_word(language: Language, count: int) -> list[str | None]:
    """Returns the language of each of `count` words; raises ValueError if there are not as many languages."""
    if language is None or isinstance(language, str):
        return [language] * count
    if len(language) != count:
        raise ValueError(f"it has {count} words, and {len(language)} languages")
    return list(language)
