"""What libraries say about errors that reach us as exceptions anyway, often as a traceback in each of their threads."""

import functools
import logging
import sys
from collections.abc import Callable
from typing import Any

OWNER = "/orbax/"


@functools.cache
def silence_orbax() -> None:
    """For good: it speaks from threads of its own, at any time.

    When one of the arrays that it reads side by side is damaged, it raises that one's error and closes its event loop
    under the others, which then have nobody to tell theirs to.
    """
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_not_owned)
    sys.unraisablehook = functools.partial(_unless_left_behind, sys.unraisablehook)


def _not_owned(record: logging.LogRecord) -> bool:
    # What an event loop says of a task of Orbax's names the task's file.
    return not (_owned(record.pathname) or _owned(record.getMessage()))


def _unless_left_behind(tell: Callable[[Any], Any], raised: Any) -> None:
    code = getattr(raised.object, "cr_code", None)  # of a coroutine
    if not (code and _owned(code.co_filename)) and str(raised.exc_value) != "Event loop is closed":
        tell(raised)


def _owned(text: str) -> bool:
    return OWNER in text.replace("\\", "/")
