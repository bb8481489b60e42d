"""Turns Ctrl-C and preemption into a flag that the training loop checks between two steps.

A cluster that preempts a job sends SIGTERM, or SIGUSR1 if it was asked to (sbatch --signal=USR1@120). A terminal that
is closed sends SIGHUP. What a terminal sends and the process was started to ignore (`nohup`) stays ignored.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType, TracebackType

from jaxspeech.runtime.platform import catch_signals, restore_signals, say_now, signals

# The exit code of a preempted run, after it has saved: start it again. EX_TEMPFAIL of sysexits.h.
PREEMPTED = 75
PREEMPTIONS = signals("SIGTERM", "SIGUSR1", "SIGHUP")
HANG_UP = signals("SIGHUP")  # comes twice, from the shell and from the system: the second is not a second request


class Preempted(BaseException):
    """Raised on a preemption, as KeyboardInterrupt is on Ctrl-C."""


@contextlib.contextmanager
def preemptible() -> Iterator[None]:
    """Makes a preemption raise Preempted in the block, except inside an `Interrupt`.

    A run that is stopped before its first step should be started again too; the default action of SIGTERM would look
    like a failure to the cluster.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Preempted(number)

    before = catch_signals(PREEMPTIONS, stop)
    try:
        yield
    finally:
        restore_signals(before)


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
        self._before = catch_signals([*signals("SIGINT"), *PREEMPTIONS], self._ask)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        restore_signals(self._before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self and number in HANG_UP:
            return
        if self:
            os._exit(128 + number)
        self.signal = signal.Signals(number)
        # Not print: a handler may run in the middle of another print.
        say_now("\nStopping after this step ... (once more: stop at once, without saving)\n")
