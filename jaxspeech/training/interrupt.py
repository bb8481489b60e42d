"""Turns Ctrl-C and preemption into a flag that the training loop checks between two steps.

A cluster that preempts a job sends SIGTERM, or SIGUSR1 if it was asked to (sbatch --signal=USR1@120).
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType

# The exit code of a preempted run, after it has saved: start it again. EX_TEMPFAIL of sysexits.h.
PREEMPTED = 75
PREEMPTIONS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]  # if it exists


class Preempted(BaseException):
    """Raised on SIGTERM and SIGUSR1, as KeyboardInterrupt is on Ctrl-C."""


@contextlib.contextmanager
def preemptible() -> Iterator[None]:
    """Makes a preemption raise Preempted in the block, except inside an `Interrupt`.

    A run that is stopped before its first step should be started again too; the default action of SIGTERM would look
    like a failure to the cluster.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Preempted(number)

    before = {name: signal.signal(name, stop) for name in PREEMPTIONS}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


class Interrupt:
    """Becomes true once the process is asked to stop; a second request stops it immediately.

        with Interrupt() as interrupted:
            while not interrupted: ...

    Attributes:
      signal: the signal that asked, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """PREEMPTED; after Ctrl-C, what a shell expects (128 + the signal's number); 0 if nothing asked to stop."""
        if self.signal is None:
            return 0
        return PREEMPTED if self.signal in PREEMPTIONS else 128 + self.signal

    def __enter__(self) -> "Interrupt":
        self._before = {name: signal.signal(name, self._ask) for name in (signal.SIGINT, *PREEMPTIONS)}
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name, handler in self._before.items():
            signal.signal(name, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self:
            os._exit(128 + number)
        self.signal = signal.Signals(number)
        # Not print: a handler may run in the middle of another print.
        os.write(sys.stderr.fileno(), b"\nStopping after this step ... (once more: stop at once, without saving)\n")
