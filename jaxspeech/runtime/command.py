"""Runs commands: errors that the user can fix become one line on stderr and an exit status."""

import os
import sys
from collections.abc import Callable

from jaxspeech.errors import SpeechError

# Exit statuses, all of them listed in cli/main.py. INTERRUPTED is the status of a process that Ctrl-C ends.
SKIPPED, MISTAKE, INTERRUPTED = 1, 2, 130


def run(command: Callable[[], int | None], *, name: str = "error") -> int:
    """Runs a command; user errors and operating system errors print one line instead of a traceback.

    Args:
      command: returns the exit status, None for 0. A KeyboardInterrupt may carry the message to print.
      name: the line starts with it.

    Returns:
      The exit status: the command's own; 2 after an error; 130 after Ctrl-C; 0 if the reader of the output closed it.
    """
    try:
        return command() or 0
    except BrokenPipeError:
        _discard_stdout()
        return 0
    except (SpeechError, OSError) as error:
        return fail(one_line(error), name=name)
    except KeyboardInterrupt as stop:
        fail(str(stop) or "interrupted", name=name)
        return INTERRUPTED


def fail(message: str, *, name: str) -> int:
    """Prints an error message, after all output printed so far; returns the exit status 2."""
    try:
        if sys.stdout is not None:  # closed before the program began
            sys.stdout.flush()
    except OSError:  # perhaps the error that is reported
        _discard_stdout()
    print(f"{name}: {message}", file=sys.stderr)
    return MISTAKE


def _discard_stdout() -> None:
    """Discards what is still to be written to stdout, which Python would otherwise try again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def one_line(error: SpeechError | OSError) -> str:
    """The message of an error; of an OSError with a file name, the file and the reason."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
