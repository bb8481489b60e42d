"""What all commands do with mistakes: one line on stderr, and an exit status that says so."""

import os
import re
import sys
from collections.abc import Callable, Sequence

from absl import flags

from jaxspeech.errors import SpeechError

MISTAKE, INTERRUPTED = 2, 130  # the latter is what a shell makes of Ctrl-C


def run(command: Callable[[], int | None], *, name: str = "error", interrupted: str = "interrupted") -> int:
    """Calls it; what a user can mend, and what the system refuses, is one line without a traceback.

    Args:
      command: returns the exit status, None for 0.
      name: what the line begins with.
      interrupted: what is said after Ctrl-C.

    Returns:
      The exit status: the command's own; 2 after a mistake; 130 after Ctrl-C; 0 where who reads its output has seen
      enough.
    """
    try:
        return command() or 0
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SpeechError, OSError) as error:
        return fail(one_line(error), name=name)
    except KeyboardInterrupt:
        fail(interrupted, name=name)
        return INTERRUPTED


def fail(message: str, *, name: str) -> int:
    """Says what the mistake is, behind what was printed before it; returns its exit status."""
    sys.stdout.flush()
    print(f"{name}: {message}", file=sys.stderr)
    return MISTAKE


def one_line(error: SpeechError | OSError) -> str:
    """What is told of an error; one of the system is its file and its reason, where it has both."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parse_flags(argv: Sequence[str], *, name: str, then: Callable[[], object] = lambda: None) -> list[str]:
    """absl's parsing of a script's command line; a mistake ends the process with one line.

    Args:
      argv: the script and its arguments.
      name: what the line begins with.
      then: is called at the end: uses what is not read before it is used.

    Returns:
      The script and what is no flag.
    """
    try:
        rest = flags.FLAGS(argv)
        then()
        return rest
    except (AttributeError, KeyError, ValueError) as error:
        message = _no_field(error)
        if not message:
            raise
    except (flags.Error, OSError) as error:
        # A recipe's own error comes as the end of a traceback, with its class.
        message = re.sub(r"^[\w.]+Error: ", "", str(error).strip().split("\n")[-1].strip())
    sys.exit(fail(message, name=name))


def _no_field(error: Exception) -> str:
    """What is told where ml_collections finds no such field; "" where the error is another.

    It says one of

        'learnin_rate'\\nDid you mean "learning_rate" instead of "learnin_rate"?
        Attribute <class 'int'>.foo does not exist and the type ... Attempting to lookup: steps.foo
        Could not parse 'data.train.0': SyntaxError(...)
    """
    while error.args and isinstance(error.args[0], KeyError):  # an AttributeError around it
        error = error.args[0]
    said = str(error.args[0]) if error.args and not isinstance(error, AttributeError) else ""
    field = re.search(r"lookup: ([\w.]+)$|^(?:Could not parse )?'([^']+)'", said)
    meant = re.search(r'Did you mean ("[^"]+")', said)
    if not field:
        return ""
    return f"the config has no field '{field[1] or field[2]}'" + (f"; did you mean {meant[1]}?" if meant else "")
