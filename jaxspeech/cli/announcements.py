"""Says on a terminal that a program is being compiled, where that takes long; scripts and log files get no lines."""

import contextlib
import logging
import sys
from collections.abc import Iterator

from tqdm import tqdm

from jaxspeech.runtime.streams import is_terminal

# The logger of `runtime.kept_function`, which is slow to import.
LOGGER = logging.getLogger("jaxspeech.compilation")


class _AboveTheBar(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(record.getMessage(), file=sys.stderr)


@contextlib.contextmanager
def compilation_announced() -> Iterator[None]:
    """Shows the messages about slow compilations inside the block if stderr is a terminal."""
    if not is_terminal(sys.stderr):
        yield
        return
    handler, level = _AboveTheBar(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        LOGGER.propagate = True
