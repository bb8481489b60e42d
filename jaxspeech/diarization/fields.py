"""Reads files of annotations: what is wrong with one is a single line with the file and the line's number."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import DAMAGE, MOST_SECONDS, as_utf8, numbered_lines

# A line that begins so is a comment in all of NIST's formats.
COMMENT = ";;"


def find_files(path: str | os.PathLike[str], suffixes: tuple[str, ...]) -> list[Path]:
    """Returns the file, or all files of a folder with one of the suffixes, sorted by name.

    Raises:
      ManifestError: there is none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.name.lower().endswith(suffixes) and file.name[:2] != "._")
    if not found:
        raise ManifestError(f"{path}: no {suffixes[0]} file in this folder")
    return found


def read_text(path: Path) -> str:
    """Reads a whole file, in UTF-8 or with a byte order mark, perhaps compressed (gzip).

    Raises:
      ManifestError: it cannot be read; says which line is not text.
    """
    return "\n".join(line for _, line in _lines(path, blank=True))


def numbered_fields(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yields the place ("file:line") and the fields, separated by white space, of each line that is no comment.

    Raises:
      ManifestError: the file cannot be read.
    """
    for number, line in _lines(path):
        if line.strip() and not line.lstrip().startswith(COMMENT):
            yield f"{path}:{number}", line.split()


def seconds(text: object, *, place: str, what: str) -> float:
    """Returns a time, or a duration, as a number.

    Raises:
      ManifestError: it is not a number of seconds of 0 or more.
    """
    try:
        value = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value < MOST_SECONDS:
        raise ManifestError(f"{place}: the {what} is {str(text)[:40]!r}, which is no number of seconds")
    return value


def _lines(path: Path, *, blank: bool = False) -> Iterator[tuple[int, str]]:
    try:
        with open(path, "rb") as opened:
            last = 0
            for number, line in numbered_lines(as_utf8(opened)):
                if blank:
                    yield from ((skipped, "") for skipped in range(last + 1, number))
                last = number
                try:
                    yield number, line.decode("utf-8-sig").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise ManifestError(f"{path}:{number}: not UTF-8 (byte {error.start + 1} of the line)") from error
    except ManifestError:
        raise
    except (OSError, *DAMAGE) as error:
        raise ManifestError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
