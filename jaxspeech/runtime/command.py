"""Runs commands: errors that the user can fix become one line on stderr and an exit status."""

import contextlib
import signal
import sys
from collections.abc import Callable

from jaxspeech.runtime import streams
from jaxspeech.runtime.environment import explain

# Exit statuses, all of them listed in cli/main.py. INTERRUPTED is the status of a process that Ctrl-C ends.
SKIPPED, MISTAKE, INTERRUPTED = 1, 2, 130
BY_SIGNAL = 128  # and the signal's number


def run(command: Callable[[], int | None], *, name: str = "error") -> int:
    """Runs a command; errors of the user and of the environment print one line instead of a traceback.

    Args:
      command: returns the exit status, None for 0. A KeyboardInterrupt may carry the message to print.
      name: the line starts with it.

    Returns:
      The exit status: the command's own; 2 after an error; 130 after Ctrl-C, 128 and the number of another signal; 0 if
      the reader of the output closed it.
    """
    try:
        status = command() or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk is an error of the command
        return status
    except BrokenPipeError:
        streams.discard(sys.stdout)
        return 0
    except KeyboardInterrupt as stop:
        fail(str(stop) or "interrupted", name=name)
        return INTERRUPTED
    except SystemExit as end:
        if not isinstance(end.code, int) or end.code <= BY_SIGNAL:
            raise
        fail(f"ended by {signal.Signals(end.code - BY_SIGNAL).name}", name=name)
        return end.code
    except Exception as error:
        if (line := _unwritable(error) or explain(error)) is None:
            raise
        return fail(line, name=name)


def _unwritable(error: Exception) -> str:
    """One line if the error is that standard output cannot be written: then its buffer still cannot be flushed."""
    try:
        if isinstance(error, OSError) and error.filename is None:
            sys.stdout.flush()
    except OSError as again:
        return f"standard output: {again.strerror}"
    return ""


def fail(message: str, *, name: str) -> int:
    """Prints an error message, after all output printed so far; returns the exit status 2."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:  # perhaps the very error
        streams.discard(sys.stdout)
    with contextlib.suppress(OSError):
        print(f"{name}: {message}", file=sys.stderr)
    return MISTAKE
