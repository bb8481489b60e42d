"""The loop of every verb that reads recordings: options, results as they come, what was skipped, the last line."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from tqdm import tqdm

from jaxspeech.audio.convert import Channel
from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.errors import ConfigError
from jaxspeech.inference.inputs import Recording, find_recordings, read_manifest
from jaxspeech.runtime.command import MISTAKE, SKIPPED

DTYPES = ("float32", "bfloat16", "float16")


@runtime_checkable
class Result(Protocol):
    """What a model says of a recording, of whatever kind.

    Attributes:
      source: what the recording is called.
      duration: of its audio, in seconds.
      note: what is to be known about how it was computed, as one line.
      error: why there is no result, as one line.
    """

    @property
    def source(self) -> str: ...
    @property
    def duration(self) -> float: ...
    @property
    def note(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...


R = TypeVar("R", bound=Result)


class Totals(NamedTuple):
    """What a loop went through; times in seconds."""

    files: int
    skipped: int
    seconds: float
    elapsed: float

    def __str__(self) -> str:
        """The last line."""
        speed = (
            f"{self.seconds:.1f} s of audio in {self.elapsed:.1f} s, RTFx {self.seconds / max(self.elapsed, 1e-9):.1f}"
        )
        return f"{counted(self.files, 'file')}, {self.skipped} skipped, {speed}"

    def status(self, *, strict: bool) -> int:
        """The exit status."""
        if self.files and self.skipped == self.files:
            return MISTAKE
        return SKIPPED if strict and self.skipped else 0


def add_options(parser: Parser) -> None:
    """Adds what every verb with a model and recordings has: --model, --batch_size, --channel, --dtype, --strict."""
    parser.add_argument("--model", required=True, help="a .jaxspeech or .nemo file, or a name on the Hugging Face Hub")
    parser.add_argument("--batch_size", type=at_least(1), default=16, help="most recordings on the device at once")
    parser.add_argument(
        "--channel", type=channel, default="mean", help="of several channels: mean, or the number of one, from 0"
    )
    parser.add_argument("--dtype", choices=DTYPES, help="of the computation; the model's by default")
    parser.add_switch("strict", help="exit with status 1 where a recording was skipped")


def add_manifest(parser: Parser, *, help: str) -> None:
    """Adds --manifest, a list of files."""
    parser.add_argument("--manifest", type=names, action="extend", default=[], metavar="IN.jsonl", help=help)


def add_inputs(parser: Parser) -> None:
    """Adds AUDIO... and --manifest, for `find_inputs`."""
    parser.add_argument("audio", nargs="*", metavar="AUDIO", help="recordings, and folders of recordings")
    add_manifest(parser, help="JSON lines with an audio_filepath each; separate several manifests with commas")


def find_inputs(flags: argparse.Namespace, *, question: str) -> tuple[list[Recording], bool]:
    """The recordings that the command line names, and whether results should say which recording they are of.

    Raises:
      ConfigError: it names none; `question` begins the message.
    """
    if not flags.audio and not flags.manifest:
        raise ConfigError(f"{question} give AUDIO..., or --manifest=IN.jsonl; {flags.prog} --help lists the options")
    recordings = list(find_recordings(flags.audio))
    named = bool(flags.manifest) or len(recordings) != 1 or Path(flags.audio[0]).is_dir()
    recordings += [recording for manifest in flags.manifest for recording in read_manifest(manifest)]
    return recordings, named


def check_model(flags: argparse.Namespace) -> None:
    """Raises ConfigError where --model is empty."""
    if not flags.model:
        raise ConfigError("which model? --model=FILE names a .jaxspeech or a .nemo file, or a model on the Hub")


def process(
    recordings: Sequence[Recording],
    results: Iterable[R],
    take: Callable[[Recording, R], None],
    *,
    done: str,
    bar: bool = True,
) -> Totals:
    """Goes through results as they come.

    Reports each recording that was skipped, and the notes about the others, on stderr.

    Args:
      recordings: all of them.
      results: one for each, in order.
      take: writes a result, also one with an error.
      done: what was done, in the past tense: "transcribed".
      bar: shows the progress, where stderr is a terminal.
    """
    begin = time.perf_counter()
    skipped, seconds = 0, 0.0
    hidden = not (bar and sys.stderr.isatty())
    shown = tqdm(results, total=len(recordings), unit="file", dynamic_ncols=True, leave=False, disable=hidden)
    for recording, result in zip(recordings, shown, strict=True):
        take(recording, result)
        seconds += result.duration
        if result.error is not None:
            skipped += 1
            tqdm.write(f"skipped: {result.error}", file=sys.stderr)
        if result.note is not None:
            tqdm.write(f"{result.source}: {done} {result.note}", file=sys.stderr)
    return Totals(len(recordings), skipped, seconds, time.perf_counter() - begin)


def report(line: object) -> None:
    """Prints a line to stderr, where everything goes that is no result."""
    print(line, file=sys.stderr)


def channel(value: str) -> Channel:
    """The type of --channel."""
    if value != "mean" and not value.isdecimal():
        raise argparse.ArgumentTypeError(f"{value!r} is neither mean nor the number of a channel, counted from 0")
    return "mean" if value == "mean" else int(value)


def counted(number: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{number} {noun}" + ("s" if number != 1 else "")
