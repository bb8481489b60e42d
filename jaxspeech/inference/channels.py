"""Makes each channel of a recording a recording of its own, for conversations with one speaker a channel."""

import atexit
import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.audio.read import count_channels
from jaxspeech.errors import SpeechError
from jaxspeech.inference.inputs import Recording

# The name for standard input.
_PIPE = "-"


def each_channel(recordings: Iterable[Recording]) -> Iterator[Recording]:
    """Yields a recording for each channel of each of these, in order.

    One that cannot be opened, or that names its channel already, is yielded as it is.
    """
    for recording in recordings:
        if recording.problem or recording.channel is not None:
            yield recording
            continue
        try:
            audio = _kept(recording)
            count = count_channels(audio, name=recording.source) if isinstance(audio, Path) else _columns(audio)
        except (SpeechError, OSError):  # reading it will report why
            yield recording
            continue
        yield from (recording._replace(audio=audio, channel=channel) for channel in range(count))


def _columns(audio: Any) -> int:
    """The number of channels of an array, see `audio.convert.to_samples`."""
    shape = np.shape(audio)
    return min(shape) if len(shape) == 2 else 1


def _kept(recording: Recording) -> Any:
    """What can be read once for each channel: a pipe's content as a temporary file, anything else itself."""
    audio = recording.audio
    standard_input = recording.source == _PIPE and not hasattr(audio, "shape")
    if not standard_input and not (isinstance(audio, Path) and stat.S_ISFIFO(os.stat(audio).st_mode)):
        return audio
    number, name = tempfile.mkstemp(prefix="jaxspeech-")
    atexit.register(_remove, name)
    with open(number, "wb") as copy:
        if standard_input:
            shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 16)
        else:
            with open(audio, "rb") as pipe:
                shutil.copyfileobj(pipe, copy, 1 << 16)
    return Path(name)


def _remove(name: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(name)
