"""Live samples from standard input, to its end or to Ctrl-C."""

import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

# What stands for standard input: 16-bit samples without a header, as sound recorders write them to a pipe.
PIPE = "-"
BLOCK_SECONDS = 0.04


def pcm_blocks(pipe: Any, rate: int) -> Iterator[np.ndarray]:
    """Signed 16-bit samples, low byte first, as they come through a pipe, to its end or to Ctrl-C."""
    size = 2 * max(1, round(BLOCK_SECONDS * rate))
    with UntilInterrupt() as until:
        while block := until.read(pipe, size):
            yield np.frombuffer(block[: len(block) // 2 * 2], "<i2").astype(np.int16)


class UntilInterrupt:
    """Ctrl-C as the end of a pipe, so that its last words are not lost; a second one interrupts as ever."""

    def __init__(self) -> None:
        self._over = self._reading = False
        self._before: Any = None

    def __enter__(self) -> "UntilInterrupt":
        if threading.current_thread() is threading.main_thread():  # others have no signals
            self._before = signal.signal(signal.SIGINT, self._end)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def read(self, pipe: Any, size: int) -> bytes:
        """The pipe's next bytes; none after Ctrl-C."""
        if self._over:
            return b""
        self._reading = True
        try:
            return pipe.read(size)
        except KeyboardInterrupt:
            return b""
        finally:
            self._reading = False

    def _end(self, number: int, frame: object) -> None:
        del number, frame
        self._over = True
        signal.signal(signal.SIGINT, self._before)
        if self._reading:
            raise KeyboardInterrupt  # a read would begin again
