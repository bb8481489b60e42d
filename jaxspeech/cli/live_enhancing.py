"""The part of the verb enhance that is live: standard input or files in, step by step, stdout or a file out."""

import argparse
import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.blocks import Stored, open_recording, write_recording
from jaxspeech.audio.convert import to_int16
from jaxspeech.audio.decoder import one_line
from jaxspeech.cli.announcements import compilation_announced
from jaxspeech.cli.recordings import report
from jaxspeech.cli.wave_stream import send, wave_header
from jaxspeech.errors import ConfigError
from jaxspeech.files import replace_atomically
from jaxspeech.inference.inputs import PIPE
from jaxspeech.inference.pipe import open_live

Put = Callable[[Float[np.ndarray, " S"]], None]


def enhance_live(enhancer: Any, flags: argparse.Namespace, **mixed: Any) -> int:
    """Enhances one recording step by step; returns the exit status."""
    if len(flags.audio) != 1:
        raise ConfigError("--realtime takes one recording at a time: the path of a file, or - for standard input")
    if flags.output is None and sys.stdout is None:
        raise ConfigError("standard output is closed; --output=FILE names a file instead")
    if flags.output and (Path(flags.output).is_dir() or not Path(flags.output).suffix):
        raise ConfigError(f"--output={flags.output}: --realtime writes one file, such as clean.wav")
    [name] = flags.audio
    begin, waited, heard = time.perf_counter(), 0.0, 0
    with contextlib.ExitStack() as stack:
        rate, blocks, headed = _opened(name, flags.sample_rate or enhancer.sample_rate, stack)
        stream = enhancer.stream(sample_rate=rate, step=flags.step or 1, **mixed)
        with compilation_announced():
            enhancer.stream(sample_rate=rate, step=flags.step or 1).warm_up()
        put = stack.enter_context(_written(flags.output, rate, headed=headed))
        report(f"live: {1000 * stream.latency_seconds:.0f} ms of delay")
        for block in blocks:
            heard += len(block)
            waited += _timed(put, stream.feed, block)
        waited += _timed(put, stream.finish)
    seconds = heard / rate
    report(
        f"{seconds:.1f} s of audio in {time.perf_counter() - begin:.1f} s; computed for {waited:.1f} s, "
        f"{waited / max(seconds, 1e-9):.3f} of real time"
    )
    return 0


def _timed(put: Put, call: Callable[..., Any], *given: Any) -> float:
    """Seconds that a call takes; its result is written."""
    begin = time.perf_counter()
    found = call(*given)
    seconds = time.perf_counter() - begin
    if len(found):
        put(found)
    return seconds


def _opened(name: str, rate: int, stack: contextlib.ExitStack) -> tuple[int, Iterator[Any], bool]:
    """The rate of the recording, its blocks of one channel, and whether it has a header."""
    if name == PIPE:
        live = open_live(sys.stdin.buffer, rate=rate)
        return live.rate, live.blocks, live.headed
    opened = stack.enter_context(open_recording(name, name=name))
    size = max(1, opened.stored.rate // 25)
    blocks = (
        block[:, start : start + size].mean(0) for block in opened.blocks() for start in range(0, block.shape[1], size)
    )
    return opened.stored.rate, blocks, True


@contextlib.contextmanager
def _written(path: str | None, rate: int, *, headed: bool) -> Iterator[Put]:
    """Gives a function that writes samples: to stdout, as 16-bit samples or WAV of unknown length, or to a file."""
    if path is None:
        stream = sys.stdout.buffer
        if headed:
            send(stream, wave_header(rate))
        yield lambda samples: send(stream, to_int16(samples).astype("<i2").tobytes())
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    stored = Stored(rate, 1)
    if Path(path).suffix.lower() == ".flac":
        stored = stored._replace(format="FLAC")
    elif Path(path).suffix.lower() != ".wav":
        raise ConfigError(f"--output={path}: --realtime writes .wav and .flac")
    with one_line(path), replace_atomically(path) as temporary, write_recording(temporary, stored, name=path) as write:
        yield lambda samples: write(samples[None])
