"""Finds the recordings in Ogg files: several where files were joined, or a radio station began another song.

Source: RFC 3533: each logical stream begins with a page that says so.
"""

from typing import Any

from jaxspeech.audio.pieces import read_at

MAGIC = b"OggS"
_FIRST_PAGE = b"OggS\x00\x02"
_WINDOW = 1 << 22
_LONGEST_PAGE = 27 + 255 + 255 * 255


def find_chained(file: Any, start: int, size: int) -> list[tuple[int, int]]:
    """Returns the (start, end) of each recording in the file."""
    begins: list[int] = []
    place, tail = start, b""
    while data := read_at(file, place, min(_WINDOW, size - place)):
        window = tail + data
        found = window.find(_FIRST_PAGE)
        while found >= 0:
            begins.append(place - len(tail) + found)
            found = window.find(_FIRST_PAGE, found + 1)
        place, tail = place + len(data), window[-len(_FIRST_PAGE) + 1 :]
    links = sorted({start, *(begin for begin in begins if not _follows_first_page(file, begin, begins))})
    return list(zip(links, [*links[1:], size], strict=True))


def end_of_pages(file: Any, start: int, size: int) -> int:
    """The end of the last page; what follows it would be taken for damage."""
    begin = max(start, size - 2 * _LONGEST_PAGE)
    tail = read_at(file, begin, size - begin)
    last = tail.rfind(MAGIC)
    if last < 0 or last + 27 > len(tail):
        return size
    segments = tail[last + 27 : last + 27 + tail[last + 26]]
    end = begin + last + 27 + tail[last + 26] + sum(segments)
    return min(end, size)


def is_chained(file: Any, start: int, size: int) -> bool:
    """Whether the last page belongs to a different stream than the first; joined copies of one file go unseen."""
    first, tail = read_at(file, start, 18), read_at(file, max(start, size - _LONGEST_PAGE), _LONGEST_PAGE)
    last = tail.rfind(MAGIC, 0, len(tail) - 14)
    return last >= 0 and tail[last + 14 : last + 18] != first[14:18]


def _follows_first_page(file: Any, begin: int, begins: list[int]) -> bool:
    """Whether the page before is also a first one: streams side by side, as in a film, not one after the other."""
    for other in begins:
        if other < begin <= other + _LONGEST_PAGE:
            segments = read_at(file, other + 26, 256)
            if segments and other + 27 + segments[0] + sum(segments[1 : 1 + segments[0]]) == begin:
                return True
    return False
