"""Errors that the user can fix; their one-line messages say what is wrong, where, and what to do.

The commands print these without a traceback and exit with status 2; any other uncaught exception is a bug.
"""

from collections.abc import Iterable, Sequence
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


class LanguageModelError(SpeechError):
    """A language model cannot be trained, read, written or used with a tokenizer."""


class CheckpointError(SpeechError):
    """A training run cannot be saved or resumed."""


class OutputError(SpeechError):
    """The output of a whole run cannot be written, so that the run stops; it is not the fault of one recording."""


class TrainingError(SpeechError):
    """A training run cannot continue: its gradients are no longer finite, or there is nothing to learn from."""


def as_speech_error(error: Exception, place: str) -> SpeechError:
    """Turns whatever was raised for one recording, line or file into an error of one line that begins with its place.

    Everything that works through a list of inputs calls this at the one point where an exception of any kind (of a
    decoder, a tokenizer, a writer, the file system, or for lack of memory) becomes the result of that input.

    Args:
      error: a SpeechError keeps its class; any other exception becomes an AudioError, and stays its cause.
      place: the name of the input.
    """
    if isinstance(error, SpeechError):
        # A message that names a place already, such as a tar's member, is not changed.
        named = str(error).startswith(place)
        return error if named else type(error)(f"{place}: {error}").with_traceback(error.__traceback__)
    found = AudioError(f"{place}: {_reason(error)}")
    found.__cause__ = error
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        elsewhere = "" if error.filename is None else f"{error.filename}: "
        return f"{elsewhere}{error.strerror}"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def listed(names: Sequence[str], *, most: int = 10) -> str:
    """Lists the first names, and counts those beyond `most`."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Complete a message about an unknown `name`: suggest the nearest known one, or list them."""
    known = sorted(known)
    nearest = get_close_matches(name, known, n=1)
    return f'; did you mean "{nearest[0]}"?' if nearest else f"; known are {listed(known, most=40)}"
