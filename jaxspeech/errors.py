"""Errors that the user can fix; their one-line messages say what is wrong, where, and what to do.

The commands print these without a traceback and exit with status 2; any other uncaught exception is a bug.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class SpeechError(ValueError):
    """Base class of the errors that the user can fix."""


class AudioError(SpeechError):
    """An audio file or array cannot be used."""


class ManifestError(SpeechError):
    """A manifest cannot be read, or has too many unusable lines."""


class ConfigError(SpeechError):
    """A configuration has an unknown field or an unusable value."""


class TokenizerError(SpeechError):
    """A tokenizer cannot be trained, read or applied."""


class ArchiveError(SpeechError):
    """A model file cannot be read or written."""


class CheckpointError(SpeechError):
    """A training run cannot be saved or resumed."""


class TrainingError(SpeechError):
    """A training run cannot continue: its gradients are no longer finite, or there is nothing to learn from."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Complete a message about an unknown `name`: suggest the nearest known one, or list all of them."""
    known = sorted(known)
    nearest = get_close_matches(name, known, n=1)
    return f'; did you mean "{nearest[0]}"?' if nearest else f"; known are {', '.join(known)}"
