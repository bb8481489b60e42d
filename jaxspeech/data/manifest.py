"""Reads manifests: one JSON object per line, {"audio_filepath": "a.flac", "duration": 2.5, "text": "hello", ...}.

Only arrays are kept in memory, so that sixteen million lines fit: 22 bytes per example (start and size of its line,
its duration, its manifest; 4 more for its tar). A line is parsed again when the example is needed.
"""

import copy
import io
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.audio.read import read_seconds
from jaxspeech.data.containers import Containers
from jaxspeech.data.entry import Entry
from jaxspeech.data.files import Location, beside, is_url, open_binary
from jaxspeech.data.keep import Rule, kept_lines
from jaxspeech.data.manifest_file import Checked, open_manifest
from jaxspeech.data.manifest_index import Lines, scan
from jaxspeech.data.problems import Problems
from jaxspeech.data.sources import ParsedSource, Source, parse_sources
from jaxspeech.data.temperature import tempered
from jaxspeech.errors import ManifestError, as_speech_error
from jaxspeech.manifest_lines import AUDIO, parse_line
from jaxspeech.runtime.platform import read_at
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
        self._files: list[io.IOBase] = []
        self._checksums: list[int] = []
        parsed = parse_sources(sources)
        self._audio, self._several = audio, several
        self._paths = [source.name for source in parsed]
        found, lines = [], 0
        for number, source in enumerate(parsed):
            part, read = self._scan(number, source, need, min_seconds, max_seconds)
            found.append(part)
            lines += read
        self.num_candidates = lines - self.too_short - self.too_long
        self.problems.check(lines)
        counts = [len(part.starts) for part in found]
        self._sources: Int[np.ndarray, " N"] = np.repeat(np.arange(len(found), dtype=np.int16), counts)
        columns = Lines.joined(found)
        self._starts, self._sizes, self.durations = columns.starts, columns.sizes, columns.durations
        self.shards = columns.shards if self.tars else None
        if not sum(counts):
            left_out = f"{self.too_short} too short, {self.too_long} too long, {len(self.problems)} bad"
            raise ManifestError(f"{', '.join(map(str, self._paths))}: no usable example in {lines} lines ({left_out})")
        self._source_weights = np.array([source.weight for source in parsed])
        self._factors: np.ndarray | None = None
        self._shifts: np.ndarray | None = None
        self.left_out = self._keep([(*keep, *source.keep) for source in parsed])
        if temperature != 1:
            seconds = np.bincount(self._sources, self.durations, len(parsed)) * self._source_weights
            self._source_weights *= tempered(seconds, [source.groups for source in parsed], temperature)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: SupportsIndex) -> Entry:
        source = self._sources[index]
        start, size = int(self._starts[index]), int(self._sizes[index])
        fields = parse_line(read_at(self._files[source], size, start))
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
        return beside(self._paths[self._sources[index]], name)

    def __iter__(self) -> Iterator[Entry]:
        return (self[index] for index in range(len(self)))

    @property
    def weights(self) -> Float[np.ndarray, " N"]:
        if (self._source_weights == self._source_weights[0]).all():
            weights = np.broadcast_to(self._source_weights[0], len(self))
        else:
            weights = self._source_weights[self._sources]
        return weights if self._factors is None else weights * self._factors

    def lines(self, *, at_most: int | None = None) -> Iterator[bytes]:
        """Yield the line of each example or, with `at_most`, of no more than this many, evenly spaced."""
        chosen = len(self) if at_most is None else min(at_most, len(self))
        for first in range(0, chosen, BLOCK_LINES):
            places = np.arange(first, min(first + BLOCK_LINES, chosen)) * len(self) // chosen
            yield from self._read(places)

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
        for column in ("_sources", "_starts", "_sizes", "durations", "shards", "_factors", "_shifts"):
            values = getattr(self, column)
            setattr(taken, column, None if values is None else values[indices])
        return taken

    def in_parts(self, most_seconds: int | float) -> "Manifest":
        """The same recordings; each that is longer than this is in equal parts, as if every part had a line."""
        counts = np.maximum(np.ceil(self.durations / most_seconds - 1e-6), 1).astype(np.int64)
        if (counts == 1).all():
            return self
        parts = self.take(np.repeat(np.arange(len(self)), counts))
        parts.durations = np.repeat(self.durations / counts, counts)
        number = np.arange(len(parts)) - np.repeat(np.cumsum(counts) - counts, counts)
        shifts = number * parts.durations
        parts._shifts = shifts if parts._shifts is None else parts._shifts + shifts
        parts.num_candidates += len(parts) - len(self)
        return parts

    def in_windows(self, seconds: int | float, hop: int | float = 0.0) -> "Manifest":
        """The same recordings in windows, as if every window had a line.

        Args:
          seconds: of a window; the last one of a recording ends with it and may be shorter.
          hop: seconds from the start of a window to the next; 0: as long as a window.
        """
        hop = hop or seconds
        counts = np.maximum(np.ceil((self.durations - seconds) / hop - 1e-6), 0).astype(np.int64) + 1
        parts = self.take(np.repeat(np.arange(len(self)), counts))
        number = np.arange(len(parts)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = number * float(hop)
        parts.durations = np.minimum(parts.durations - starts, seconds)
        parts._shifts = starts if parts._shifts is None else parts._shifts + starts
        parts.num_candidates += len(parts) - len(self)
        return parts

    def weighted(self, factors: Float[np.ndarray, " N"]) -> "Manifest":
        """The same examples; an epoch shows each this many times as often."""
        weighted = copy.copy(self)
        weighted._factors = factors if self._factors is None else self._factors * factors
        return weighted

    def _keep(self, rules: Sequence[Sequence[Rule]]) -> Counter[str]:
        """Leave out the lines that do not follow the rules of their source; returns how many for which reason."""
        kept, reasons = np.ones(len(self), bool), Counter[str]()
        for source in (number for number, one in enumerate(rules) if one):
            places = np.flatnonzero(self._sources == source)
            blocks = (places[first : first + BLOCK_LINES] for first in range(0, len(places), BLOCK_LINES))
            kept[places], why = kept_lines((line for block in blocks for line in self._read(block)), rules[source])
            reasons.update(why)
        if kept.all():
            return reasons
        if not kept.any():
            often = ", ".join(f"{count} {why}" for why, count in reasons.most_common(3))
            raise ManifestError(f"{', '.join(map(str, self._paths))}: data.keep leaves no example ({often})")
        for column in ("_sources", "_starts", "_sizes", "durations", "shards"):
            values = getattr(self, column)
            setattr(self, column, None if values is None else values[kept])
        self.num_candidates -= int((~kept).sum())
        return reasons

    def _read(self, places: Int[np.ndarray, " N"]) -> Iterator[bytes]:
        """Yield the lines of these examples; adjacent lines of a file are read together."""
        sources, starts, sizes = self._sources[places], self._starts[places], self._sizes[places].astype(np.int64)
        neighbours = (np.diff(starts) == sizes[:-1]) & (np.diff(sources) == 0)
        runs = np.concatenate([[0], np.flatnonzero(~neighbours) + 1, [len(places)]])
        for first, last in zip(runs[:-1].tolist(), runs[1:].tolist(), strict=True):
            begin, total = int(starts[first]), int(sizes[first:last].sum())
            data = read_at(self._files[sources[first]], total, begin)
            ends = np.cumsum(sizes[first:last])
            yield from (data[e - s : e] for s, e in zip(sizes[first:last].tolist(), ends.tolist(), strict=True))

    def _scan(
        self,
        number: int,
        source: ParsedSource,
        need: tuple[str, ...],
        min_seconds: int | float,
        max_seconds: int | float,
    ) -> tuple[Lines, int]:
        path = self._paths[number]
        opened = open_manifest(source)
        self._files.append(opened.file)
        lookup = {shard: len(self.tars) + i for i, shard in enumerate(opened.containers)}
        self.tars += opened.containers.values()
        parts, lines = [], 0
        for part, count in scan(
            Checked(self._files[-1], self._checksums),
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
