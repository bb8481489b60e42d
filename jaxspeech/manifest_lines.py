"""Reads the lines of manifests, for transcription as for training: one JSON object a line.

{"audio_filepath": "a.flac", "offset": 0.5, "duration": 2.5, "text": "hello", ...}

A file may be compressed (gzip), and in UTF-8 or, with a byte order mark, UTF-16 or UTF-32. What is wrong with one line
is the fault of that line alone.
"""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from jaxspeech.errors import ManifestError
from jaxspeech.runtime.unicode import half_a_character

SUFFIXES = (".jsonl", ".json", ".ndjson", ".jsonl.gz", ".json.gz", ".ndjson.gz")
# Longer lines are not read to their end: they would be a file without line ends, perhaps of many gigabytes.
MOST_LINE_BYTES = 1 << 26
# Seconds; no recording takes four months, and sums of such numbers stay exact.
MOST_SECONDS = 1e7
HEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What reading a damaged file raises besides OSError.
DAMAGE = (EOFError, zlib.error, UnicodeError)


# The field of a line that names its audio.
AUDIO = "audio_filepath"
# The field of a line that stands for an entry of a different kind of source that cannot be used: says why.
FAULT = "cannot_be_used"


class Part(NamedTuple):
    """The audio that a line names.

    Attributes:
      name: of the audio file, as written.
      offset: start of the part, in seconds.
      duration: of the part, in seconds; None is to the end.
    """

    name: str
    offset: float
    duration: float | None


def is_manifest(name: str) -> bool:
    """Whether a file is a manifest, by its name."""
    return name.lower().endswith(SUFFIXES)


def as_utf8(file: Any) -> Any:
    """Returns a file with the content of a manifest in UTF-8, uncompressed; the same one if that is what it holds.

    Args:
      file: a buffered binary file with `peek`, at its start; it need not be able to seek.
    """
    if file.peek(2)[:2] == _GZIP:
        file = io.BufferedReader(gzip.GzipFile(fileobj=file))  # pyright: ignore[reportArgumentType]
    head = file.peek(4)[:4]
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    return file if encoding is None else io.BufferedReader(_Recoded(file, encoding))


def numbered_lines(file: Any) -> Iterator[tuple[int, bytes]]:
    """Yields each line that is not blank, with its number; of a line above `MOST_LINE_BYTES` only the beginning."""
    number = 0
    while line := file.readline(MOST_LINE_BYTES):
        number += 1
        rest = line
        while len(rest) == MOST_LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MOST_LINE_BYTES)
        if line.strip():
            yield number, line


def check_layout(head: bytes) -> None:
    """Raises ManifestError, with what to do, if a file holds JSON, but not one object a line.

    Args:
      head: the beginning of the file, in UTF-8.
    """
    lines = head.decode("utf-8-sig", errors="replace").strip().split("\n")
    first, second = lines[0].strip(), lines[1].strip() if len(lines) > 1 else ""
    if first[:1] not in ("{", "["):
        return
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        value = None
    if first.startswith("[") and (value is None or (isinstance(value, list) and value and isinstance(value[0], dict))):
        raise ManifestError(
            "is a JSON array, not a manifest with one JSON object a line; to convert it: jq -c '.[]' FILE > FILE.jsonl"
        )
    if first.startswith("{") and value is None and (second[:1] == '"' or first[-1] == "["):
        raise ManifestError(
            "has JSON objects that span several lines, not one a line; to convert it: jq -c . FILE > FILE.jsonl"
        )


def parse_line(line: bytes) -> dict[str, Any]:
    """Parses all fields of a line.

    Raises:
      ManifestError: the line is not a JSON object.
    """
    try:
        fields = json.loads(line.decode("utf-8-sig"))  # where files were joined, any line may begin with a mark
    except UnicodeDecodeError as error:
        raise ManifestError(f"not UTF-8 (byte {error.start + 1} of the line)") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not a JSON object ({error})") from error
    if not isinstance(fields, dict):
        raise ManifestError("not a JSON object")
    return fields


def part_of(fields: Mapping[str, Any], audio: str = AUDIO, *, several: bool = False) -> Part:
    """The audio that a line's fields name.

    Args:
      fields: of the line.
      audio: the field that names the file.
      several: whether it may list several files; the first one counts.

    Raises:
      ManifestError: says which field is missing or is not a number of seconds.
    """
    name, offset, duration = fields.get(audio), fields.get("offset"), fields.get("duration")
    if several and isinstance(name, list) and all(isinstance(one, str) and one for one in name):
        name = next(iter(name), None)
    if not isinstance(name, str) or not name:
        raise ManifestError(f"no {audio}")
    if offset is not None and not (_is_seconds(offset) and offset >= 0):
        raise ManifestError(f"the offset is {_shown(offset)}; it must be a number of seconds")
    if duration is not None and not (_is_seconds(duration) and duration > 0):
        raise ManifestError(f"the duration is {_shown(duration)}; it must be a positive number of seconds")
    return Part(name, float(offset or 0), None if duration is None else float(duration))


def check_text(value: Any, *, name: str = "text") -> str:
    """Returns the value of a field that must be a text.

    Raises:
      ManifestError: it is no text, or holds half of a character, which no tokenizer takes.
    """
    if not isinstance(value, str):
        raise ManifestError(f"no {name}" if value is None else f"the {name} is {_shown(value)}, not a string")
    if half := half_a_character(value):
        raise ManifestError(f"the {name} holds {half}: it was cut within one")
    return value


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value < MOST_SECONDS


def _shown(value: Any) -> str:
    """A value in a message, cut if it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


class _Recoded(io.RawIOBase):
    """A file whose content is decoded and encoded in UTF-8; halves of characters become bytes that are not UTF-8."""

    def __init__(self, file: Any, encoding: str):
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest and (piece := self._file.read(HEAD_BYTES)):
            self._rest = self._decoder.decode(piece).encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
