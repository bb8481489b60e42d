"""Reads live audio from standard input, until it ends or Ctrl-C is pressed.

Without a header it is 16-bit samples, as sound recorders write them. A WAV header says how to read what follows;
anything else that begins like a recording (FLAC, Ogg, MP3 with tags, ...) is decoded once it is complete.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.audio.convert import Channel, mix_down, opposite_signs
from jaxspeech.audio.pcm import WavHeader, read_wav_header
from jaxspeech.audio.read import read
from jaxspeech.audio.spool import spool
from jaxspeech.errors import AudioError
from jaxspeech.inference.inputs import PIPE
from jaxspeech.runtime.platform import catch_signals, restore_signals, signals

BLOCK_SECONDS = 0.04
# What recordings begin with, and samples without a header never do: (place, bytes).
_HEADERS = (
    *((0, magic) for magic in (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff", b"#!AMR")),
    *((0, b"\x1a\x45\xdf\xa3"), (4, b"ftyp")),
)


class LiveAudio(NamedTuple):
    """Audio as it arrives.

    Attributes:
      rate: in Hz.
      blocks: of samples, floats in [-1, 1] or 16-bit integers.
      headed: whether a header said what it is.
    """

    rate: int
    blocks: Iterator[np.ndarray]
    headed: bool = True


def open_live(pipe: Any, *, rate: int, channel: Channel = "mean") -> LiveAudio:
    """Begins to read a pipe.

    Args:
      pipe: a binary stream.
      rate: of samples without a header, in Hz.
      channel: which one of a recording with several, see `audio.read`.

    Raises:
      AudioError: it has a header that cannot be read.
    """
    opening = pipe.read(12)
    whole = _Begun(opening, pipe)
    if not any(opening[place : place + len(magic)] == magic for place, magic in _HEADERS):
        return LiveAudio(rate, pcm_blocks(whole, rate), headed=False)
    if opening[:4] in (b"RIFF", b"RF64"):
        header = read_wav_header(whole)
        if header is None:
            raise AudioError(f"{PIPE}: a WAV header without samples, or damaged")
        return LiveAudio(header.rate, _wav_blocks(whole, header, channel))
    with spool(whole, name=PIPE) as copy:
        samples, rate = read(copy, name=PIPE, channel=channel)
    size = max(1, round(BLOCK_SECONDS * rate))
    return LiveAudio(rate, (samples[start : start + size] for start in range(0, len(samples), size)))


def pcm_blocks(pipe: Any, rate: int) -> Iterator[np.ndarray]:
    """Yields signed 16-bit little-endian samples as they arrive through a pipe, until it ends or Ctrl-C is pressed."""
    for block in _byte_blocks(pipe, 2 * max(1, round(BLOCK_SECONDS * rate)), None):
        yield np.frombuffer(block[: len(block) // 2 * 2], "<i2").astype(np.int16)


def _wav_blocks(pipe: Any, header: WavHeader, channel: Channel) -> Iterator[np.ndarray]:
    size = header.width * header.channels * max(1, round(BLOCK_SECONDS * header.rate))
    products = np.zeros((header.channels, header.channels))
    for block in _byte_blocks(pipe, size, header.size):
        samples = header.to_samples(block)
        if channel == "mean" and header.channels > 1:  # whether channels cancel shows over all that has arrived
            products += samples.T @ samples
            signs = opposite_signs(products)
            samples = (samples if signs is None else samples * (signs * signs[0])).mean(axis=1, keepdims=True)
        if len(samples):
            yield mix_down(samples, channel=channel, name=PIPE)


def _byte_blocks(pipe: Any, size: int, left: int | None) -> Iterator[bytes]:
    """Yields blocks of `size` bytes; `left` are all there are, if that is known."""
    with UntilInterrupt() as until:
        while (left is None or left > 0) and (block := until.read(pipe, size)):
            yield block if left is None else block[:left]
            left = None if left is None else left - len(block)


class _Begun:
    """A stream of which some bytes were read already."""

    def __init__(self, opening: bytes, pipe: Any):
        self._opening = opening
        self._pipe = pipe

    def read(self, count: int) -> bytes:
        """Reads up to `count` bytes, fewer only at the end."""
        first, self._opening = self._opening[:count], self._opening[count:]
        return first + self._pipe.read(count - len(first)) if len(first) < count else first


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
