"""The loop of every verb that reads recordings: options, results, skipped recordings, the summary line."""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from tqdm import tqdm

from jaxspeech.audio.convert import Channel
from jaxspeech.cli.announcements import compilation_announced
from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.errors import ConfigError, OutputError, as_speech_error
from jaxspeech.inference.inputs import Recording, find_recordings, read_manifest
from jaxspeech.runtime.command import MISTAKE, SKIPPED
from jaxspeech.runtime.streams import is_terminal

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
DTYPES = ("float32", "bfloat16", "float16")


@runtime_checkable
class Result(Protocol):
    """The result of any kind of model for one recording.

    Attributes:
      source: name of the recording.
      duration: of its audio, in seconds.
      note: one line about how it was computed, if there is something to report.
      error: one line that says why there is no result.
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
    """Totals over the recordings of a loop; times in seconds."""

    files: int
    skipped: int
    seconds: float
    elapsed: float

    def __str__(self) -> str:
        """The summary line."""
        speed = (
            f"{self.seconds:.1f} s of audio in {self.elapsed:.1f} s, RTFx {self.seconds / max(self.elapsed, 1e-9):.1f}"
        )
        return f"{counted(self.files, 'file')}, {self.skipped} skipped, {speed}"

    def status(self, *, strict: bool) -> int:
        """The exit status."""
        if self.files and self.skipped == self.files:
            return MISTAKE
        return SKIPPED if strict and self.skipped else 0


def add_options(parser: Parser, *, needs_model: bool = True, dtypes: Sequence[str] = DTYPES) -> None:
    """Adds options that verbs with recordings share: --model, --batch_size, --channel, --dtype, --strict."""
    add_model(parser, needed=needs_model, dtypes=dtypes)
    parser.add_argument("--batch_size", type=at_least(1), default=16, help="maximum number of recordings in a batch")
    parser.add_argument(
        "--channel",
        type=channel,
        default="mean",
        help="mean of all channels, or the number of one, from 0; transcribe also: each, a transcript for each channel",
    )
    parser.add_switch("strict", help="exit with status 1 if a recording was skipped")


def add_model(parser: Parser, *, needed: bool = True, dtypes: Sequence[str] = DTYPES) -> None:
    """Adds --model and --dtype."""
    help = "a .jaxspeech or .nemo file, or a name on the Hugging Face Hub"
    parser.add_argument("--model", required=needed, help=help)
    parser.add_argument("--dtype", choices=dtypes, help="of the computation; the model's by default")


def add_manifest(parser: Parser, *, help: str) -> None:
    """Adds --manifest, a list of files."""
    parser.add_argument("--manifest", type=names, action="extend", default=[], metavar="IN.jsonl", help=help)


def add_inputs(parser: Parser) -> None:
    """Adds AUDIO... and --manifest, for `find_inputs`."""
    parser.add_argument("audio", nargs="*", metavar="AUDIO", help="recordings, and folders of recordings")
    add_manifest(parser, help="JSON lines with an audio_filepath each; separate several manifests with commas")


def find_inputs(flags: argparse.Namespace, *, question: str) -> tuple[list[Recording], bool]:
    """Finds the recordings that the command line names, and whether results should include the recording's path.

    Raises:
      ConfigError: it names none; the message begins with `question`.
    """
    if not flags.audio and not flags.manifest:
        raise ConfigError(f"{question} give AUDIO..., or --manifest=IN.jsonl; {flags.prog} --help lists the options")
    recordings = list(find_recordings(flags.audio))
    named = bool(flags.manifest) or len(recordings) != 1 or Path(flags.audio[0]).is_dir()
    recordings += [recording for manifest in flags.manifest for recording in read_manifest(manifest)]
    return recordings, named


def check_model(flags: argparse.Namespace) -> None:
    """Raises ConfigError if --model is empty."""
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
    """Processes results as they arrive, and reports skipped recordings and notes on stderr.

    Every verb's loop is this one: no recording ends it.

    Args:
      recordings: all of them.
      results: one for each, in order.
      take: writes a result; also called for results with an error. What it raises is the fault of this recording,
        unless it is an OutputError.
      done: the verb in the past tense: "transcribed".
      bar: show a progress bar if stderr is a terminal.
    """
    begin = time.perf_counter()
    skipped, seconds = 0, 0.0
    hidden = not (bar and is_terminal(sys.stderr))
    shown = tqdm(results, total=len(recordings), unit="file", dynamic_ncols=True, leave=False, disable=hidden)
    with compilation_announced():
        for recording, result in zip(recordings, shown, strict=True):
            error = result.error
            try:
                take(recording, result)
            except (OutputError, BrokenPipeError):  # nothing more can be written
                raise
            except Exception as raised:
                error = str(as_speech_error(raised, recording.source))
            seconds += result.duration
            if error is not None:
                skipped += 1
                tqdm.write(on_one_line(f"skipped: {error}"), file=sys.stderr)
            if result.note is not None:
                tqdm.write(on_one_line(f"{result.source}: {done} {result.note}"), file=sys.stderr)
    return Totals(len(recordings), skipped, seconds, time.perf_counter() - begin)


def report(line: object) -> None:
    """Prints a line to stderr, which receives everything but results."""
    print(on_one_line(str(line)), file=sys.stderr)


def on_one_line(text: str) -> str:
    """The text with control characters and halves of characters escaped, which the names of files may hold."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def channel(value: str) -> Channel | Literal["each"]:
    """The type of --channel."""
    if value in ("mean", "each"):
        return value  # pyright: ignore[reportReturnType]
    if not value.isdecimal():
        raise argparse.ArgumentTypeError(f"{value!r} is neither mean, each, nor the number of a channel, from 0")
    return int(value)


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 file", "2 files"."""
    return f"{number} {noun}" + ("s" if number != 1 else "")
