"""Silences log messages of libraries about errors that they also raise, often a traceback from each thread."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

OWNER = "/orbax/"
# In every error of the library that reads its arrays, which may be in a future without a file.
READER = "tensorstore"


@functools.cache
def silence_orbax() -> None:
    """Silences Orbax's background threads for the rest of the process, as they may log at any time.

    Orbax reads arrays concurrently. If one is damaged, it raises that error and closes its event loop while the other
    reads are still running, whose errors are then logged as never retrieved.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_not_owned)
    sys.unraisablehook = functools.partial(_unless_left_over, sys.unraisablehook)


def _not_owned(record: logging.LogRecord) -> bool:
    # An event loop's message about one of Orbax's tasks contains the file of the task.
    return not (_owned(record.pathname) or _owned(record.getMessage()))


def _unless_left_over(report: Callable[[Any], Any], raised: Any) -> None:
    code = getattr(raised.object, "cr_code", None)  # of a coroutine
    if not (code and _owned(code.co_filename)) and str(raised.exc_value) != "Event loop is closed":
        report(raised)


def _owned(text: str) -> bool:
    return OWNER in text.replace("\\", "/") or READER in text
