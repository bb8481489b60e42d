"""Manifests: one JSON object a line, {"audio_filepath": "a.flac", "duration": 2.5, "text": "hello", ...}.

Columns, not objects: an example costs 22 bytes of memory (where its line begins and ends, its duration, its
file), and the line is parsed again when it is needed, so that sixteen million lines fit.
"""

import json
import math
import mmap
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.read import read_seconds
from jaxspeech.data.problems import Problems
from jaxspeech.errors import AudioError, ManifestError

# A manifest, or {"path": manifest, "weight": how often an epoch shows each of its examples}.
Source = str | Path | Mapping[str, Any]


class Entry(NamedTuple):
    """One example of a manifest.

    Attributes:
      path: of the audio, made absolute from the manifest's folder.
      text: its transcript; "" where the line has none.
      offset: seconds before the part that is meant.
      duration: seconds of that part.
      fields: everything that the line says.
    """

    path: Path
    text: str
    offset: float
    duration: float
    fields: dict[str, Any]


class Manifest:
    """The examples of one or more manifests, in the order of their lines.

    Attributes:
      durations: seconds of each example.
      too_short, too_long: examples left out by the duration limits.
      problems: lines that could not be used.
    """

    def __init__(
        self,
        sources: Source | Sequence[Source],
        *,
        min_seconds: int | float = 0.0,
        max_seconds: int | float = math.inf,
        need_text: bool = True,
        problems: Problems | None = None,
    ):
        """Read and check every line of the manifests.

        Args:
          sources: manifests, each a path or {"path": ..., "weight": ...} (weight 1 by default).
          min_seconds, max_seconds: shorter and longer examples are counted and left out.
          need_text: whether a line without "text" is a bad line.
          problems: where bad lines go; a new collection by default.

        Raises:
          ManifestError: a manifest is missing or holds nothing usable, a weight is not positive, or too many
            lines are bad.
        """
        self.problems = Problems() if problems is None else problems
        self.too_short = self.too_long = 0
        self._files: list[Path] = []
        self._maps: list[mmap.mmap] = []
        self._source_weights: list[float] = []
        rows: list[np.ndarray] = []
        lines = 0
        for source in [sources] if isinstance(sources, str | Path | Mapping) else sources:
            path, weight = _parse_source(source)
            self._files.append(path)
            self._maps.append(_map(path))
            self._source_weights.append(weight)
            found, read = self._scan(len(self._files) - 1, need_text, min_seconds, max_seconds)
            rows.append(found)
            lines += read
        self.problems.check(lines)
        self._rows = np.concatenate(rows) if rows else np.zeros(0, _ROW)
        if not len(self._rows):
            left_out = f"{self.too_short} too short, {self.too_long} too long, {len(self.problems)} bad"
            raise ManifestError(f"{', '.join(map(str, self._files))}: no usable example in {lines} lines ({left_out})")

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: SupportsIndex) -> Entry:
        row = self._rows[index]
        start = int(row["start"])
        line = self._maps[row["source"]][start : start + int(row["size"])]
        fields = json.loads(line)
        return Entry(
            path=self._files[row["source"]].parent / fields["audio_filepath"],
            text=fields.get("text", ""),
            offset=float(fields.get("offset") or 0.0),
            duration=float(row["duration"]),
            fields=fields,
        )

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    @property
    def durations(self) -> Float[np.ndarray, " N"]:
        return self._rows["duration"].copy()

    @property
    def weights(self) -> Float[np.ndarray, " N"]:
        """How often an epoch shows each example: the weight of the manifest it comes from."""
        return np.asarray(self._source_weights)[self._rows["source"]]

    def take(self, indices: np.ndarray) -> "Manifest":
        """The same manifests with only these examples, in this order."""
        taken = object.__new__(Manifest)
        taken.__dict__.update(self.__dict__)
        taken._rows = self._rows[indices]
        return taken

    def _scan(
        self, source: int, need_text: bool, min_seconds: int | float, max_seconds: int | float
    ) -> tuple[np.ndarray, int]:
        path, lines, start = self._files[source], 0, 0
        starts, sizes, durations = array("q"), array("i"), array("d")
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                size = len(line)
                if line.strip():
                    lines += 1
                    try:
                        duration = _check(line, folder=path.parent, need_text=need_text)
                    except (ManifestError, AudioError) as error:
                        self.problems.add(f"{path}:{number}", f"{path}:{number}: {error}")
                    else:
                        self.too_short += duration < min_seconds
                        self.too_long += duration > max_seconds
                        if min_seconds <= duration <= max_seconds:
                            starts.append(start)
                            sizes.append(size)
                            durations.append(duration)
                start += size
        rows = np.zeros(len(starts), _ROW)
        rows["start"], rows["size"], rows["duration"], rows["source"] = starts, sizes, durations, source
        return rows, lines


_ROW = np.dtype([("start", np.int64), ("duration", np.float64), ("size", np.int32), ("source", np.int16)])


def write_manifest(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write entries as JSON lines: all of them, or (on an error) none."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(dict(entry), ensure_ascii=False) + "\n" for entry in entries)
    temporary.replace(path)


def _parse_source(source: Source) -> tuple[Path, float]:
    if isinstance(source, str | Path):
        return Path(source).absolute(), 1.0
    unknown = set(source) - {"path", "weight"}
    if unknown or "path" not in source:
        raise ManifestError(
            f"a manifest is given as a path or as {{'path': ..., 'weight': ...}}, not as {dict(source)}"
        )
    weight = source.get("weight", 1.0)
    if not (isinstance(weight, int | float) and 0 < weight < math.inf):
        raise ManifestError(f"{source['path']}: the weight is {weight}; it must be a positive number")
    return Path(source["path"]).absolute(), float(weight)


def _map(path: Path) -> mmap.mmap:
    if not path.is_file():
        raise ManifestError(f"{path}: no such manifest")
    if path.stat().st_size == 0:
        raise ManifestError(f"{path}: is an empty manifest")
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _check(line: bytes, *, folder: Path, need_text: bool) -> float:
    """The duration of the example in this line.

    Raises:
      ManifestError or AudioError: what is wrong with the line.
    """
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise ManifestError(f"not a JSON object ({error})") from error
    if not isinstance(fields, dict):
        raise ManifestError("not a JSON object")
    if not isinstance(fields.get("audio_filepath"), str):
        raise ManifestError("no audio_filepath")
    if not isinstance(fields.get("text"), str) and (need_text or "text" in fields):
        raise ManifestError("no text")
    offset = fields.get("offset") or 0.0
    if not _is_number(offset) or offset < 0.0:
        raise ManifestError(f"the offset is {offset!r}; it must be a number of seconds")
    duration = fields.get("duration")
    if duration is None:
        duration = read_seconds(folder / fields["audio_filepath"]) - offset
    if not _is_number(duration) or duration <= 0.0:
        raise ManifestError(f"the duration is {duration!r}; it must be a positive number of seconds")
    return float(duration)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
