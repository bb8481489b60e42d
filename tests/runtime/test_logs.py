import logging
import sys
from types import SimpleNamespace

import orbax.checkpoint as ocp

from jaxspeech.runtime.logs import silence_orbax


def test_only_errors_of_unfinished_orbax_reads_are_silenced(monkeypatch) -> None:
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    silence_orbax.__wrapped__()

    left = SimpleNamespace(cr_code=SimpleNamespace(co_filename=ocp.__file__))
    others = SimpleNamespace(cr_code=SimpleNamespace(co_filename=__file__))
    sys.unraisablehook(SimpleNamespace(object=left, exc_value=ValueError("damaged")))
    sys.unraisablehook(SimpleNamespace(object=None, exc_value=RuntimeError("Event loop is closed")))
    assert not reported
    sys.unraisablehook(SimpleNamespace(object=others, exc_value=ValueError("damaged")))
    sys.unraisablehook(SimpleNamespace(object=None, exc_value=RuntimeError("another")))
    assert [str(raised.exc_value) for raised in reported] == ["damaged", "another"]


def test_messages_about_orbax_tasks_are_not_logged(caplog) -> None:
    silence_orbax()
    logger = logging.getLogger("asyncio")
    logger.error("Task exception was never retrieved\nfuture: <Task coro=<read() defined at %s:1>>", ocp.__file__)
    logger.handle(logging.LogRecord("asyncio", logging.ERROR, ocp.__file__, 83, "Task exception", (), None))
    error = ValueError("OUT_OF_RANGE: ... [tensorstore_spec='{}']")
    logger.error("Future exception was never retrieved\nfuture: <Future finished exception=%r>", error)
    logger.error("another")
    assert [record.getMessage() for record in caplog.records] == ["another"]
