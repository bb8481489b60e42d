"""Normalises texts lightly for scoring: what a listener cannot hear should not count as an error."""

import unicodedata

_APOSTROPHES = str.maketrans("’‘ʼ`", "''''")


def normalize(text: str, *, lowercase: bool = True, strip_punctuation: bool = True) -> str:
    """Apply Unicode NFKC, lower case and single spaces, and remove punctuation except apostrophes in words (don't)."""
    text = unicodedata.normalize("NFKC", text)
    if lowercase:
        text = text.lower()
    if strip_punctuation:
        text = text.translate(_APOSTROPHES)
        text = "".join(char if char == "'" or not _is_punctuation(char) else " " for char in text)
        text = " ".join(word.strip("'") for word in text.split())
    return " ".join(text.split())


def _is_punctuation(char: str) -> bool:
    return unicodedata.category(char).startswith("P")
