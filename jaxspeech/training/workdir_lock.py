"""Locks a workdir, so that one run uses it at a time: two would delete each other's checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxspeech.errors import SpeechError
from jaxspeech.runtime.platform import lock
from jaxspeech.training.processes import is_leader


@contextmanager
def exclusive_workdir(workdir: Path) -> Iterator[None]:
    """Locks the workdir for this run; the lock is released when the process ends, however it ends.

    Raises:
      SpeechError: another run holds it.
    """
    if not is_leader():
        yield
        return
    with (workdir / ".lock").open("w", encoding="utf-8") as file:
        if not lock(file):
            raise SpeechError(f"{workdir}: another process trains here; wait for it or choose another --workdir")
        yield
