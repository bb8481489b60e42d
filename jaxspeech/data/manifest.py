"""Reads manifests: one JSON object per line, {"audio_filepath": "a.flac", "duration": 2.5, "text": "hello", ...}.

Only arrays are kept in memory, so that sixteen million lines fit: 22 bytes per example (start and size of its line,
its duration, its manifest; 4 more for its tar). A line is parsed again when the example is needed.
"""

import copy
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.read import read_seconds
from jaxspeech.data.containers import Containers
from jaxspeech.data.entry import Entry
from jaxspeech.data.files import Location, beside, is_url, open_binary
from jaxspeech.data.keep import Rule, kept_lines
from jaxspeech.data.manifest_file import Checked, Opened, open_manifest
from jaxspeech.data.manifest_index import Lines, scan
from jaxspeech.data.problems import Problems
from jaxspeech.data.recording_parts import Parts, equal_parts, windows
from jaxspeech.data.sources import Source, parse_sources
from jaxspeech.data.stored_lines import StoredLines
from jaxspeech.data.temperature import tempered
from jaxspeech.errors import ManifestError, as_speech_error
from jaxspeech.manifest_lines import AUDIO, parse_line
from jaxspeech.runtime.unicode import to_json

# Number of lines read at once when all of them are read in order.
BLOCK_LINES = 1 << 14
# The field that names the file of a line's turns.
RTTM = "rttm_filepath"


class Manifest:
    """The examples of one or more manifests, in the order of their lines.

    Attributes:
      durations: seconds of each example.
      weights: how often an epoch shows each example.
      shards: number of each example's tar in `tars`, -1 where it is a separate file; None if all are.
      tars: the tars, and the row groups of Parquet files, that hold audio.
      containers: reads from the tars and from ArrayRecord files.
      too_short, too_long: numbers of examples left out by the duration limits.
      left_out: numbers of examples left out for their fields, by the reason.
      num_candidates: number of lines within all limits, those that could not be used included.
      problems: the lines that could not be used.
    """

    def __init__(
        self,
        sources: Source | Sequence[Source],
        *,
        min_seconds: int | float = 0.0,
        max_seconds: int | float = math.inf,
        audio: str = AUDIO,
        several: bool = False,
        need: tuple[str, ...] = (),
        temperature: int | float | Sequence[int | float] = 1.0,
        keep: Sequence[Rule] = (),
        problems: Problems | None = None,
    ):
        """Read and check every line of the manifests.

        Args:
          sources: manifests, each a path or {"path": ..., "weight": ..., "tars": ...}; see sources.py.
          min_seconds, max_seconds: shorter and longer examples are counted and left out.
          audio: the field that names the file with the audio.
          several: whether that field may list several files, which are channels of one recording.
          need: required string fields; a line that lacks one is a bad line. Recognition needs ("text",).
          temperature: above 1, small sources are shown more often and large ones less: a source with the share p of
            all seconds gets a share proportional to p^(1 / temperature); the length of an epoch does not change. One
            for each level of nested groups of sources: see temperature.py.
          keep: what the fields of a line must be; other lines are counted and left out.
          problems: collects bad lines; a new collection by default.

        Raises:
          ManifestError: a manifest is missing or holds nothing usable, a weight is not positive, or too many
            lines are bad.
        """
        self.problems = Problems() if problems is None else problems
        self.too_short = self.too_long = 0
        self.tars: list[Location] = []
        self.containers = Containers()
        self._checksums: list[int] = []
        parsed = parse_sources(sources)
        self._audio, self._several = audio, several
        self._paths = [source.name for source in parsed]
        found, files, lines = [], [], 0
        for source in parsed:
            opened = open_manifest(source)
            part, read = self._scan(source.name, opened, need, min_seconds, max_seconds)
            found.append(part)
            files.append(opened.file)
            lines += read
        self.num_candidates = lines - self.too_short - self.too_long
        self.problems.check(lines)
        counts = [len(part.starts) for part in found]
        columns = Lines.joined(found)
        of = np.repeat(np.arange(len(found), dtype=np.int16), counts)
        self._lines = StoredLines(files, of, columns.starts, columns.sizes)
        self.durations, self.shards = columns.durations, columns.shards if self.tars else None
        if not sum(counts):
            left_out = f"{self.too_short} too short, {self.too_long} too long, {len(self.problems)} bad"
            raise ManifestError(f"{', '.join(map(str, self._paths))}: no usable example in {lines} lines ({left_out})")
        self._source_weights = np.array([source.weight for source in parsed])
        self._factors: np.ndarray | None = None
        self._shifts: np.ndarray | None = None
        self.left_out = self._keep([(*keep, *source.keep) for source in parsed])
        if temperature != 1:
            seconds = np.bincount(self._lines.sources, self.durations, len(parsed)) * self._source_weights
            self._source_weights *= tempered(seconds, [source.groups for source in parsed], temperature)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: SupportsIndex) -> Entry:
        source = self._lines.sources[index]
        fields = parse_line(self._lines[index])
        shard = -1 if self.shards is None else int(self.shards[index])
        name, offset, duration = fields[self._audio], float(fields.get("offset") or 0), self.durations[index]
        if isinstance(name, list):
            name = name[0]
        if self._shifts is not None:
            offset += float(self._shifts[index])
            fields |= {"offset": offset, "duration": float(duration)}
        if isinstance(turns := fields.get(RTTM), str) and turns:
            fields[RTTM] = str(beside(self._paths[source], turns))
        return Entry(
            path=self.tars[shard] if shard >= 0 else beside(self._paths[source], name),
            offset=offset,
            duration=float(duration),
            fields=fields,
            member=name if shard >= 0 else fields.get("record"),
        )

    def beside(self, index: SupportsIndex, name: str) -> Location:
        """Where a further file is that the line of an example names: relative to its manifest, absolute, or a URL."""
        return beside(self._paths[self._lines.sources[index]], name)

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    @property
    def weights(self) -> Float[np.ndarray, " N"]:
        if (self._source_weights == self._source_weights[0]).all():
            weights = np.broadcast_to(self._source_weights[0], len(self))
        else:
            weights = self._source_weights[self._lines.sources]
        return weights if self._factors is None else weights * self._factors

    def lines(self, *, at_most: int | None = None) -> Iterator[bytes]:
        """Yield the line of each example or, with `at_most`, of no more than this many, evenly spaced."""
        chosen = len(self) if at_most is None else min(at_most, len(self))
        for first in range(0, chosen, BLOCK_LINES):
            places = np.arange(first, min(first + BLOCK_LINES, chosen)) * len(self) // chosen
            yield from self._lines.read(places)

    def texts(self, field: str = "text", *, at_most: int | None = None) -> Iterator[str]:
        """Yield the value of a field in each example, or in at most `at_most` of them; "" where a line lacks it."""
        return (parse_line(line).get(field, "") for line in self.lines(at_most=at_most))

    def fetch(self, shards: Iterable[int]) -> None:
        """Start copying the streamed tars among these, which will be needed soon."""
        self.containers.fetch(self.tars[shard] for shard in shards)

    @property
    def content(self) -> str:
        """Describes the content of the manifests in one line, which differs once any byte of them has changed."""
        everything = zlib.crc32(repr(self._checksums).encode())
        return f"{len(self)} examples, {self.durations.sum() / 3600:.2f} h, checksum {everything:08x}"

    def take(self, indices: np.ndarray) -> "Manifest":
        """The same manifests with only these examples, in this order."""
        taken = copy.copy(self)
        taken._take(indices)
        return taken

    def in_parts(self, most_seconds: int | float) -> "Manifest":
        """The same recordings; each that is longer than this is in equal parts, as if every part had a line."""
        parts = equal_parts(self.durations, most_seconds)
        return self if len(parts.of) == len(self) else self._cut(parts)

    def in_windows(self, seconds: int | float, hop: int | float = 0.0) -> "Manifest":
        """The same recordings in windows, as if every window had a line.

        Args:
          seconds: of a window; the last one of a recording ends with it and may be shorter.
          hop: seconds from the start of a window to the next; 0: as long as a window.
        """
        return self._cut(windows(self.durations, seconds, hop or seconds))

    def weighted(self, factors: Float[np.ndarray, " N"]) -> "Manifest":
        """The same examples; an epoch shows each this many times as often."""
        weighted = copy.copy(self)
        weighted._factors = factors if self._factors is None else self._factors * factors
        return weighted

    def _take(self, chosen: np.ndarray) -> None:
        """Leave out all other examples."""
        self._lines = self._lines.take(chosen)
        for column in ("durations", "shards", "_factors", "_shifts"):
            values = getattr(self, column)
            setattr(self, column, None if values is None else values[chosen])

    def _cut(self, parts: Parts) -> "Manifest":
        """The same recordings, as if every part had a line."""
        cut = self.take(parts.of)
        cut.durations = parts.durations
        cut._shifts = parts.starts if cut._shifts is None else cut._shifts + parts.starts
        cut.num_candidates += len(cut) - len(self)
        return cut

    def _keep(self, rules: Sequence[Sequence[Rule]]) -> Counter[str]:
        """Leave out the lines that do not follow the rules of their source; returns how many for which reason."""
        kept, reasons = np.ones(len(self), bool), Counter[str]()
        for source in (number for number, one in enumerate(rules) if one):
            places = np.flatnonzero(self._lines.sources == source)
            blocks = (places[first : first + BLOCK_LINES] for first in range(0, len(places), BLOCK_LINES))
            lines = (line for block in blocks for line in self._lines.read(block))
            kept[places], why = kept_lines(lines, rules[source])
            reasons.update(why)
        if kept.all():
            return reasons
        if not kept.any():
            often = ", ".join(f"{count} {why}" for why, count in reasons.most_common(3))
            raise ManifestError(f"{', '.join(map(str, self._paths))}: data.keep leaves no example ({often})")
        self._take(kept)
        self.num_candidates -= int((~kept).sum())
        return reasons

    def _scan(
        self,
        path: Location,
        opened: Opened,
        need: tuple[str, ...],
        min_seconds: int | float,
        max_seconds: int | float,
    ) -> tuple[Lines, int]:
        lookup = {shard: len(self.tars) + i for i, shard in enumerate(opened.containers)}
        self.tars += opened.containers.values()
        parts, lines = [], 0
        for part, count in scan(
            Checked(opened.file, self._checksums),
            audio=self._audio,
            several=self._several,
            need=need,
            shards=lookup,
            measure=lambda name: _seconds(beside(path, name)),
            report=lambda line, error: self.problems.add(
                f"{path}:{line}", str(as_speech_error(error, f"{path}:{line}"))
            ),
        ):
            too_short, too_long = part.durations < min_seconds, part.durations > max_seconds
            self.too_short += int(too_short.sum())
            self.too_long += int(too_long.sum())
            parts.append(part.where(~(too_short | too_long)))
            lines += count
        return Lines.joined(parts), lines


def write_manifest(path: str | Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write entries as JSON lines; the file appears only when all are written."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(to_json(dict(entry)) + "\n" for entry in entries)
    temporary.replace(path)


def _seconds(path: Location) -> float:
    if not is_url(path):
        return read_seconds(path)
    with open_binary(path, error=ManifestError) as file:
        return read_seconds(file, name=str(path))
