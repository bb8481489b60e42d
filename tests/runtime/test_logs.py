import logging
import sys
from types import SimpleNamespace

import orbax.checkpoint as ocp

from jaxspeech.runtime.logs import silence_orbax


def test_only_what_orbax_left_behind_is_kept_back(monkeypatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    silence_orbax.__wrapped__()

    left = SimpleNamespace(cr_code=SimpleNamespace(co_filename=ocp.__file__))
    others = SimpleNamespace(cr_code=SimpleNamespace(co_filename=__file__))
    sys.unraisablehook(SimpleNamespace(object=left, exc_value=ValueError("damaged")))
    sys.unraisablehook(SimpleNamespace(object=None, exc_value=RuntimeError("Event loop is closed")))
    assert not told
    sys.unraisablehook(SimpleNamespace(object=others, exc_value=ValueError("damaged")))
    sys.unraisablehook(SimpleNamespace(object=None, exc_value=RuntimeError("another")))
    assert [str(raised.exc_value) for raised in told] == ["damaged", "another"]


def test_a_log_says_nothing_of_its_tasks(caplog) -> None:
    silence_orbax()
    logger = logging.getLogger("asyncio")
    logger.error("Task exception was never retrieved\nfuture: <Task coro=<read() defined at %s:1>>", ocp.__file__)
    logger.handle(logging.LogRecord("asyncio", logging.ERROR, ocp.__file__, 83, "Task exception", (), None))
    logger.error("another")
    assert [record.getMessage() for record in caplog.records] == ["another"]
