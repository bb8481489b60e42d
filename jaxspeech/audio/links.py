"""Finds what there is to decode in a file: one recording or several, each with a right header.

What headers say about lengths is a claim (see `wav`, `flac`, `mp3`, `ogg`). A file whose claims are right is decoded as
it is; another one as pieces of it with a repaired header. All of this looks at headers alone and decodes nothing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from jaxspeech.audio import flac, mp3, ogg, sized, wav
from jaxspeech.audio.pieces import Piece, Pieces, read_at

_MPEG_IN_WAV = (0x50, 0x55)
_FORMS = (b"WAVE", b"AIFF", b"AIFC")


class Link(NamedTuple):
    """One recording.

    Attributes:
      file: the file, to be read from its start; or pieces of it.
      untouched: whether it is the file itself.
    """

    file: Any
    untouched: bool


def find_links(file: Any, size: int, *, thorough: bool) -> list[Link]:
    """Returns the recordings in a file, in order.

    Args:
      file: binary, seekable.
      size: of the file in bytes.
      thorough: read all of a FLAC or Ogg file to find recordings joined to it, and not only its end.
    """
    whole = Link(file, True)
    start = _after_id3(file, size)
    head = read_at(file, start, 12)
    if head[:4] in wav.MAGIC and head[8:12] in _FORMS:
        found = list(_waves(file, start, size))
    elif head[:4] == flac.MAGIC:
        found = _flacs(file, start, size, thorough=thorough)
    elif head[:4] == ogg.MAGIC:
        end = ogg.end_of_pages(file, start, size)
        chained = thorough or ogg.is_chained(file, start, end)
        found = [[span] for span in (ogg.find_chained(file, start, end) if chained else [(start, end)])]
    elif head[:4] == sized.AU:
        found = [sized.repaired_au(file, start, size)]
    elif head[:4] == sized.CAF:
        found = [sized.repaired_caf(file, start, size)]
    elif mp3.size_of(head[:4]) or start:
        found = find_mpeg(file, start, size) or ([[(start, size)]] if start else [])
    else:
        found = []
    return [whole if pieces == [(0, size)] else Link(Pieces(file, pieces), False) for pieces in found] or [whole]


def find_mpeg(file: Any, start: int, end: int) -> list[list[Piece]]:
    """Returns the recordings in a range of MPEG audio; none if it is none."""
    first = mp3.begins_at(file, start)
    if first is None:
        return []
    runs = mp3.find_runs(file, first, end)
    return [[(first, end)]] if runs is None else [mp3.repaired(run) for run in runs]


def _after_id3(file: Any, size: int) -> int:
    """Where the recording begins after ID3 tags, in which pictures may look like sound."""
    start = 0
    while (tag := mp3.id3_size(read_at(file, start, 10))) and start + tag < size:
        start += tag
    return start


def _waves(file: Any, start: int, size: int) -> Iterator[list[Piece]]:
    while read_at(file, start, 4) in wav.MAGIC and (found := wav.find_wav(file, start, size)):
        if found.encoding in _MPEG_IN_WAV:
            yield from find_mpeg(file, *found.data) or [found.pieces]
        else:
            yield found.pieces
        if not found.end > start:
            return
        start = found.end


def _flacs(file: Any, start: int, size: int, *, thorough: bool) -> list[list[Piece]]:
    found = flac.find_flac(file, start, size)
    if found is not None and not found.repaired and not found.missing and not thorough:
        return [found.pieces]
    spans = flac.find_joined(file, start, size)
    if len(spans) == 1:
        return [found.pieces] if found else []
    return [part.pieces if (part := flac.find_flac(file, *span)) else [span] for span in spans]
