"""Writes the recordings of a codec's ids.

  jaxspeech codec decode --model=codec.nemo --output=speech codes
  jaxspeech codec decode --model=codec.nemo --output=speech a.npz b.npz

The files are those of `jaxspeech codec encode`, or any .npz with `ids` [C T]; of a folder all of them are taken. Each
becomes a WAV file of the same name in the folder --output, as long as the recording that was encoded. Everything else
goes to stderr: one line for each file that cannot be used (it is skipped), and the number of files.

Exit status: 0; 1 with --strict if a file was skipped; 2 if nothing could be done.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import Totals, add_model, check_model, report
from jaxspeech.errors import ConfigError, OutputError, SpeechError


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("codes", nargs="*", metavar="CODES", help=".npz files, and folders of them")
    add_model(parser)
    parser.add_argument("--output", required=True, metavar="FOLDER", help="for the WAV files")
    parser.add_switch("strict", help="exit with status 1 if a file was skipped")


def run(flags: argparse.Namespace) -> int:
    """Loads the model, decodes, writes the files and prints a summary."""
    import time

    from jaxspeech.inference.code_files import read_codes, write_wave
    from jaxspeech.inference.enhanced_files import Folder

    check_model(flags)
    if not flags.codes:
        raise ConfigError(f"what is to be decoded? give CODES...; {flags.prog} --help lists the options")
    if Path(flags.output).exists() and not Path(flags.output).is_dir():
        raise OutputError(f"{flags.output}: is a file; the results need a folder")
    codec = jaxspeech.load(flags.model, jaxspeech.Codec, dtype=flags.dtype)
    begin, count, skipped, seconds, folder = time.perf_counter(), 0, 0, 0.0, Folder(flags.output)
    for path, place in _files(flags.codes):
        count += 1
        try:
            [found] = codec.decode([read_codes(path, codec.sample_rate)])
            write_wave(folder.path_of(place.with_suffix(".wav")), found.samples, found.sample_rate)
            seconds += found.duration
        except OutputError:  # nothing more can be written
            raise
        except SpeechError as error:
            skipped += 1
            report(f"skipped: {error}")
    totals = Totals(count, skipped, seconds, time.perf_counter() - begin)
    report(totals)
    return totals.status(strict=flags.strict)


def _files(names: list[str]) -> Iterator[tuple[Path, Path]]:
    """The files, and their places below the folder of results."""
    from jaxspeech.inference.code_files import SUFFIX

    for name in names:
        path = Path(name)
        if not path.is_dir():
            yield path, Path(path.name)
            continue
        found = sorted(path.rglob(f"*{SUFFIX}"))
        if not found:
            raise ConfigError(f"{path}: no {SUFFIX} files in this folder")
        yield from ((inside, inside.relative_to(path)) for inside in found)
