"""Reads Parquet files with the audio in them, as the Hugging Face Hub publishes data sets; needs the extra "parquet".

    audio: struct<bytes, path>   text (or sentence, transcription, transcript): string   duration, speaker, ...

A row group is to Parquet what a tar is to other data sets: its audio is copied to a temporary file when its turn comes,
a few rows at a time, so that memory holds no more than these. Where there is no column "duration", all audio is read
once when a run starts.
"""

import importlib
import io
import json
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jaxspeech.audio.read import read_seconds
from jaxspeech.data.files import Location, open_binary
from jaxspeech.errors import AudioError, ManifestError, SpeechError
from jaxspeech.manifest_lines import AUDIO, FAULT
from jaxspeech.runtime.platform import read_at

SUFFIX = ".parquet"
TEXTS = ("text", "sentence", "transcription", "transcript")
# Rows that are decoded at a time.
BLOCK = 16
# Fields of a line that say where its audio is.
_PLACE = (AUDIO, "offset", "shard_id", "record", FAULT)
_GROUP = re.compile(r"(.+\.parquet)#(.+)/(\d+)")


def is_parquet(path: Location | None) -> bool:
    """Whether a source is a Parquet file, by its name."""
    return path is not None and str(path).lower().endswith(SUFFIX)


def is_row_group(path: Location) -> bool:
    """Whether a container is a row group of a Parquet file."""
    return _GROUP.fullmatch(str(path)) is not None


def row_groups(path: Location, *, fields: Mapping[str, str]) -> dict[int, Location]:
    """The containers of a file: its row groups, by their numbers.

    Args:
      path: of the file.
      fields: the column of fields that have a different name there: {"text": "normalized_text"}.

    Raises:
      ManifestError: the file cannot be read, or has no column with audio.
    """
    with _opened(path, ManifestError) as file:
        column = _audio_column(file, path, fields)
        return {number: f"{path}#{column}/{number}" for number in range(file.num_row_groups)}


def lines_of_rows(path: Location, *, fields: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield a manifest line for each row; a row without audio that can be read has a line that says why.

    Takes the arguments of `row_groups`, and raises what it raises.
    """
    with _opened(path, ManifestError) as file:
        audio, names = _audio_column(file, path, fields), _columns(file, path, fields)
        classes = _classes(file)
        timed = "duration" in names.values()
        first = 0
        for number in range(file.num_row_groups):
            read = [*names, *([] if timed else [audio])]
            for batch in file.iter_batches(batch_size=BLOCK, row_groups=[number], columns=read):
                for row in batch.to_pylist():
                    line = {names[name]: _plain(row[name], classes.get(name)) for name in names}
                    place = {AUDIO: str(first), "shard_id": number}
                    length = {} if timed else _duration(row[audio])
                    yield length if FAULT in length else line | place | length
                    first += 1


class ParquetRows:
    """`rows.read(row)` returns the audio of a row of a row group. Safe to call from any thread."""

    def __init__(self, location: Location):
        """Copy the audio to an unnamed temporary file; raises AudioError if the file cannot be read."""
        found = _GROUP.fullmatch(str(location))
        assert found is not None
        self._path, column, number = found[1], found[2], int(found[3])
        self._places: list[tuple[int, int]] = []
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  lasts as long as these rows
        end = 0
        path = self._path if "://" in self._path else Path(self._path)
        with _opened(path, AudioError) as file:
            groups = [file.metadata.row_group(i).num_rows for i in range(number)]
            self._first = sum(groups)
            for batch in file.iter_batches(batch_size=BLOCK, row_groups=[number], columns=[column]):
                for value in batch.column(0).to_pylist():
                    data = (value or {}).get("bytes")
                    self._places.append((end, -1 if data is None else len(data)))
                    end += self._file.write(data or b"")
        self._file.flush()

    def read(self, name: str) -> bytes:
        """Return the bytes of the audio of a row, by its number in the file; raises AudioError if there are none."""
        row = int(name) - self._first
        if not 0 <= row < len(self._places):
            raise AudioError(f"{self._path}: row {name} is not in this row group")
        start, size = self._places[row]
        if size < 0:
            raise AudioError(f"{self._path}: row {name} has no bytes of audio")
        return read_at(self._file, size, start)


@contextmanager
def _opened(path: Location, kind: type[SpeechError]) -> Iterator[Any]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
        arrow = importlib.import_module("pyarrow")
    except ImportError as error:
        raise kind(f'{path}: needs pyarrow: python -m pip install "jaxspeech[parquet]"') from error
    with open_binary(path, error=kind) as file:
        try:
            opened = parquet.ParquetFile(file)
        except (arrow.ArrowException, ValueError) as error:
            raise kind(f"{path}: not a Parquet file, or damaged ({' '.join(str(error).split())[:100]})") from error
        try:
            yield opened
        except arrow.ArrowException as error:
            raise kind(f"{path}: damaged ({' '.join(str(error).split())[:100]})") from error


def _audio_column(file: Any, path: Location, fields: Mapping[str, str]) -> str:
    found = [column.name for column in file.schema_arrow if _has_bytes(column.type)]
    wanted = fields.get(AUDIO, "audio")
    if wanted in found:
        return wanted
    if AUDIO not in fields and len(found) == 1:
        return found[0]
    has = f"columns with audio are {', '.join(found)}" if found else "no column has audio, a struct with the bytes"
    raise ManifestError(
        f"{path}: no column {wanted!r} with audio; {has}. A source can name it: fields={{{AUDIO!r}: ...}}"
    )


def _has_bytes(kind: Any) -> bool:
    return "bytes" in {kind.field(i).name for i in range(kind.num_fields)} and str(kind).startswith("struct")


def _columns(file: Any, path: Location, fields: Mapping[str, str]) -> dict[str, str]:
    """The columns that become fields of lines, and the names of these."""
    schema = file.schema_arrow
    plain = [column.name for column in schema if not _has_bytes(column.type) and "binary" not in str(column.type)]
    for field, column in fields.items():
        if field != AUDIO and column not in plain:
            raise ManifestError(f"{path}: no column {column!r} (fields={{{field!r}: ...}}); it has {', '.join(plain)}")
    names = {column: field for field, column in fields.items() if field != AUDIO}
    text = next((name for name in TEXTS if name in plain), None)
    if "text" not in fields and text is not None:
        names[text] = "text"
    taken = {*names.values(), *_PLACE}
    return names | {name: name for name in plain if name not in names and name not in taken}


def _classes(file: Any) -> dict[str, list[str]]:
    """The names of the classes of columns that hold numbers of them, as the library `datasets` writes them."""
    try:
        stated = json.loads((file.schema_arrow.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: one["names"] for name, one in stated.items() if one.get("_type") == "ClassLabel"}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}


def _plain(value: Any, classes: list[str] | None) -> Any:
    """A value as JSON has it."""
    if classes is not None and isinstance(value, int) and 0 <= value < len(classes):
        return classes[value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list):
        return [_plain(one, None) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one, None) for name, one in value.items()}
    return str(value)


def _duration(audio: Mapping[str, Any] | None) -> dict[str, Any]:
    """The field of a line with the length of its audio, or the one that says why there is none."""
    data = (audio or {}).get("bytes")
    if data is None:
        return {FAULT: "has no bytes of audio"}
    try:
        return {"duration": read_seconds(io.BytesIO(data), name="its audio")}
    except AudioError as error:
        return {FAULT: str(error)}
