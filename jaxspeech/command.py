"""What every command does with a mistake: one line on stderr, and an exit status that says so."""

import os
import sys
from collections.abc import Callable

from jaxspeech.errors import SpeechError

# See cli/main.py for all of them. INTERRUPTED is what a shell makes of Ctrl-C.
SKIPPED, MISTAKE, INTERRUPTED = 1, 2, 130


def run(command: Callable[[], int | None], *, name: str = "error") -> int:
    """Runs a command; errors of the user and of the system print one line instead of a traceback.

    Args:
      command: returns the exit status, None for 0. A KeyboardInterrupt may carry what to print.
      name: what the line begins with.

    Returns:
      The exit status: the command's own; 2 after a mistake; 130 after Ctrl-C; 0 where the reader of its output has
      closed it.
    """
    try:
        return command() or 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SpeechError, OSError) as error:
        return fail(one_line(error), name=name)
    except KeyboardInterrupt as stop:
        fail(str(stop) or "interrupted", name=name)
        return INTERRUPTED


def fail(message: str, *, name: str) -> int:
    """Prints what the mistake is, after everything that was printed before it; returns its exit status."""
    sys.stdout.flush()
    print(f"{name}: {message}", file=sys.stderr)
    return MISTAKE


def one_line(error: SpeechError | OSError) -> str:
    """The message of an error; of one of the system its file and its reason, where it has both."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
