"""What libraries log about errors that reach us as exceptions anyway, often as a traceback in each of their threads."""

import contextlib
import logging
from collections.abc import Iterator


def _not_by_orbax(record: logging.LogRecord) -> bool:
    return "/orbax/" not in record.pathname.replace("\\", "/")


def silence_orbax() -> None:
    """For good: it logs from threads of its own, at any time."""
    logging.getLogger("absl").addFilter(_not_by_orbax)


@contextlib.contextmanager
def quiet(name: str) -> Iterator[None]:
    """The logger of this name says nothing about errors meanwhile."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
