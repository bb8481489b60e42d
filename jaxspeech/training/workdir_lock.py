"""Locks a workdir, so that one run uses it at a time: two would delete each other's checkpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxspeech.errors import SpeechError
from jaxspeech.training.processes import is_leader

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None


@contextmanager
def exclusive_workdir(workdir: Path) -> Iterator[None]:
    """Locks the workdir for this run; the lock is released when the process ends, however it ends.

    Raises:
      SpeechError: another run holds it.
    """
    if fcntl is None or not is_leader():
        yield
        return
    with (workdir / ".lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SpeechError(
                f"{workdir}: another process trains here; wait for it or choose another --workdir"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
