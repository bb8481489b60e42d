"""Indexes the lines of a manifest: where each one starts, and its duration. Sixteen million take 15 seconds.

Blocks of lines are parsed at once into the few fields that planning needs. If anything in a block is unexpected, the
block is parsed again line by line with the standard library's parser, to report what is wrong with which line.
"""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from jaxtyping import Bool, Float, Int

from jaxspeech.errors import ManifestError
from jaxspeech.manifest_lines import AUDIO, FAULT, MOST_SECONDS, check_text, parse_line, part_of

BLOCK_BYTES = 1 << 22
_BRACES = (ord("{"), ord("}"))
_RETURN, _NEWLINE = ord("\r"), ord("\n")

# (line number, what is wrong with it)
Report = Callable[[int, Exception], None]


class Lines(NamedTuple):
    """The usable lines of a manifest, as arrays.

    Attributes:
      starts, sizes: position and size of each line, in bytes.
      durations: seconds of each example.
      shards: number of the tar that holds the audio; -1 where it is a separate file.
    """

    starts: Int[np.ndarray, " N"]
    sizes: Int[np.ndarray, " N"]
    durations: Float[np.ndarray, " N"]
    shards: Int[np.ndarray, " N"]

    def where(self, keep: Bool[np.ndarray, " N"]) -> "Lines":
        return self if keep.all() else Lines(*(column[keep] for column in self))

    @classmethod
    def joined(cls, parts: Sequence["Lines"]) -> "Lines":
        """The lines of several parts, one after the other."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


class Fields(msgspec.Struct, gc=False):
    """The fields that planning needs; a block with other types is parsed again line by line."""

    audio_filepath: Annotated[str, msgspec.Meta(min_length=1)]
    duration: float | None = None
    offset: float | None = None
    shard_id: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] | None = None


def scan(
    file: io.IOBase,
    *,
    audio: str = AUDIO,
    several: bool = False,
    need: tuple[str, ...] = (),
    shards: Mapping[int, int],
    measure: Callable[[str], float],
    report: Report,
) -> Iterator[tuple[Lines, int]]:
    """Yield the usable lines of each block of a manifest, and the number of its lines that are not blank.

    Args:
      file: the manifest, in UTF-8; its lines begin where the file is now.
      audio: the field that names the file with the audio.
      several: whether it may list several files, of which the first is measured.
      need: required string fields; a line that lacks one is a bad line.
      shards: maps "shard_id" to `Lines.shards`; with a single entry, lines may omit it. Empty without tars.
      measure: returns the seconds of an audio file, for lines without a duration; raises AudioError.
      report: is called for each bad line.
    """
    table, decoder = _table(shards), _decoder(need, audio)
    before, number = file.tell(), 1
    for block in _blocks(file):
        bytes_ = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(bytes_ == _NEWLINE) + 1
        starts = np.append(0, ends[:-1])
        lines = _parse_block(block, bytes_, starts, ends, decoder=decoder, table=table)
        if lines is None:
            lines, count = _parse_lines(
                block,
                starts,
                ends,
                number,
                audio=audio,
                several=several,
                need=need,
                shards=shards,
                measure=measure,
                report=report,
            )
        else:
            count = len(starts)
        yield lines._replace(starts=lines.starts + before), count
        before += len(block)
        number += len(starts)


def _table(shards: Mapping[int, int]) -> Int[np.ndarray, " K"]:
    """`Lines.shards` of each shard_id from 0 on, and last that of a line without one; -1 where there is no tar."""
    table = np.full(max(shards, default=-1) + 2, -1, np.int32)
    table[list(shards)] = list(shards.values())
    table[-1] = next(iter(shards.values())) if len(shards) == 1 else -1
    return table


def _blocks(file: io.IOBase) -> Iterator[bytes]:
    """Yield the file in blocks of whole lines; a newline is added if the last line lacks one."""
    rest = b""
    while piece := file.read(BLOCK_BYTES):
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield rest + head + newline
            rest = tail
        else:
            rest += piece
    if rest:
        yield rest + b"\n"


def _parse_block(
    block: bytes,
    bytes_: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    *,
    decoder: msgspec.json.Decoder[Any],
    table: np.ndarray,
) -> Lines | None:
    """Parse all lines of a block at once; None if any of them has to be checked by itself."""
    # If there are as many objects as lines, and each line starts and ends with a brace, each line is one object.
    last = ends - 2
    last = np.where(bytes_[last] == _RETURN, last - 1, last)
    if not ((bytes_[starts] == _BRACES[0]) & (bytes_[last] == _BRACES[1])).all():
        return None
    try:
        if not block.isascii():
            block.decode()  # the parser does not check the encoding of strings that it skips
        parsed = decoder.decode_lines(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(parsed) != len(starts):
        return None
    durations = np.array([math.nan if x.duration is None else x.duration for x in parsed], np.float64)
    offsets = np.array([x.offset or 0.0 for x in parsed], np.float64)
    if not ((durations > 0) & (durations < MOST_SECONDS) & (offsets >= 0) & (offsets < MOST_SECONDS)).all():
        return None
    shards = np.full(len(parsed), -1, np.int32)
    if len(table) > 1:
        ids = np.fromiter((-1 if x.shard_id is None else x.shard_id for x in parsed), np.int64, len(parsed))
        shards = table[np.where(ids < len(table) - 1, ids, -1)]
        if (shards < 0).any():
            return None
    return Lines(starts, (ends - starts).astype(np.int32), durations, shards)


@lru_cache
def _decoder(need: tuple[str, ...], audio: str) -> msgspec.json.Decoder[Any]:
    """Make a decoder of lines that have these fields as strings, and whose "text", if any, is a string."""
    needed = [name for name in dict.fromkeys(need) if name not in Fields.__struct_fields__]
    fields: list[Any] = [
        (f"need_{i}", str) for i in range(len(needed))
    ]  # a field's name may not be a Python identifier
    if "text" not in needed:
        fields.append(("text", str | msgspec.UnsetType, msgspec.UNSET))
    rename = {f"need_{i}": name for i, name in enumerate(needed)}
    if audio != AUDIO:
        fields.append((AUDIO, Fields.__annotations__[AUDIO]))
        rename[AUDIO] = audio
    return msgspec.json.Decoder(
        msgspec.defstruct("Fields", fields, bases=(Fields,), kw_only=True, gc=False, rename=rename)
    )


def _parse_lines(
    block: bytes,
    starts: np.ndarray,
    ends: np.ndarray,
    number: int,
    *,
    audio: str,
    several: bool,
    need: tuple[str, ...],
    shards: Mapping[int, int],
    measure: Callable[[str], float],
    report: Report,
) -> tuple[Lines, int]:
    """Parse a block line by line, and report its bad lines."""
    rows, count = [], 0
    for i, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        line = block[start:end]
        if not line.strip():
            continue
        count += 1
        try:
            rows.append((start, end - start, *_check(line, audio, several, need, shards, measure)))
        except Exception as error:  # also what a decoder raises while the file is measured
            report(number + i, error)
    columns = zip(*rows, strict=True) if rows else ((),) * 4
    kinds = (np.int64, np.int32, np.float64, np.int32)
    return Lines(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True))), count


def _check(
    line: bytes,
    audio: str,
    several: bool,
    need: tuple[str, ...],
    shards: Mapping[int, int],
    measure: Callable[[str], float],
) -> tuple[float, int]:
    """Return the duration of the example in this line, and the number of its tar.

    Raises:
      SpeechError: says what is wrong with the line; `measure` may raise others.
    """
    fields = parse_line(line)
    if isinstance(why := fields.get(FAULT), str) and audio not in fields:
        raise ManifestError(why)
    part = part_of(fields, audio, several=several)
    for name in dict.fromkeys((*need, "text")):
        if name in need or name in fields:
            check_text(fields.get(name), name=name)
    shard = fields.get("shard_id", next(iter(shards)) if len(shards) == 1 else None)
    if shards and not (isinstance(shard, int) and not isinstance(shard, bool) and shard in shards):
        raise ManifestError(f"the shard_id is {shard!r}; the tars have the numbers {min(shards)} to {max(shards)}")
    duration = part.duration
    if duration is None:
        if shards:
            raise ManifestError("no duration")
        duration = measure(part.name) - part.offset
        if not duration > 0:
            raise ManifestError(f"the offset of {part.offset:g} s is past the end of the recording")
    return duration, shards.get(shard, -1) if isinstance(shard, int) else -1
