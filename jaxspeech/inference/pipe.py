"""Reads live samples from standard input, until it ends or Ctrl-C is pressed."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from jaxspeech.runtime.platform import catch_signals, restore_signals, signals

BLOCK_SECONDS = 0.04


def pcm_blocks(pipe: Any, rate: int) -> Iterator[np.ndarray]:
    """Yields signed 16-bit little-endian samples as they arrive through a pipe, until it ends or Ctrl-C is pressed."""
    size = 2 * max(1, round(BLOCK_SECONDS * rate))
    with UntilInterrupt() as until:
        while block := until.read(pipe, size):
            yield np.frombuffer(block[: len(block) // 2 * 2], "<i2").astype(np.int16)


class UntilInterrupt:
    """Treats Ctrl-C as the end of a pipe, so that the last words are not lost; a second one interrupts as usual."""

    def __init__(self) -> None:
        self._over = self._reading = False
        self._before: Mapping[Any, Any] = {}

    def __enter__(self) -> "UntilInterrupt":
        self._before = catch_signals(signals("SIGINT"), self._end)
        return self

    def __exit__(self, *error: object) -> None:
        restore_signals(self._before)

    def read(self, pipe: Any, size: int) -> bytes:
        """Reads the pipe's next bytes; b"" after Ctrl-C."""
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
        restore_signals(self._before)
        if self._reading:
            raise KeyboardInterrupt  # without an exception, Python would restart the read
