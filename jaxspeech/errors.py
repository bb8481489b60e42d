"""Mistakes of a user, each told in one line: what, where, and what to do.

The scripts print these without a traceback and exit with status 2; everything else that escapes is a bug.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class SpeechError(ValueError):
    """Base of every error that a user can cause and mend."""


class AudioError(SpeechError):
    """An audio file or array that cannot be used."""


class ManifestError(SpeechError):
    """A manifest that cannot be read, or too many unusable lines in it."""


class ConfigError(SpeechError):
    """A configuration with an unknown or unusable field."""


class TokenizerError(SpeechError):
    """A tokenizer that cannot be trained, read or applied."""


class ArchiveError(SpeechError):
    """A model file that cannot be read or written."""


class CheckpointError(SpeechError):
    """A training run that cannot be saved or continued."""


class TrainingError(SpeechError):
    """A training run that leads nowhere."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown `name`: the nearest known one, or else all of them."""
    known = sorted(known)
    nearest = get_close_matches(name, known, n=1)
    return f'; did you mean "{nearest[0]}"?' if nearest else f"; known are {', '.join(known)}"
