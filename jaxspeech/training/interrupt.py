"""Ctrl-C and preemption as a question that the loop asks between two steps.

A cluster that takes the machine back sends SIGTERM, or SIGUSR1 where it is asked to (sbatch --signal=USR1@120).
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType, TracebackType

# What a run that was preempted exits with, once it is saved: start it again. EX_TEMPFAIL of sysexits.h.
PREEMPTED = 75
PREEMPTIONS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]  # not all systems


class Preempted(BaseException):
    """What Ctrl-C's KeyboardInterrupt is, for SIGTERM and SIGUSR1."""


@contextlib.contextmanager
def preemptible() -> Iterator[None]:
    """A preemption raises Preempted from what is inside, unless an `Interrupt` is asked.

    A run that is stopped before its first step is one to start again, too: SIGTERM's own way to end a process would
    tell a cluster that it failed.
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
    """True once the process was asked to stop; a second request stops it at once.

        with Interrupt() as interrupted:
            while not interrupted: ...

    Attributes:
      signal: the request, or None.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """PREEMPTED, or what a shell expects of a process that ended by Ctrl-C."""
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
