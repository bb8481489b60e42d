"""Expands file name patterns: "audio_{0..127}.tar", "part-{00..15}-{a,b}.tar", NeMo's "audio__OP_0..127_CL_.tar"."""

import itertools
import re

from jaxspeech.errors import ManifestError

# Shells expand braces, so NeMo accepts these in their place.
_OPENING, _CLOSING = ("_OP_", "(", "[", "<"), (")", "]", ">", "_CL_")
_BRACE = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand(pattern: str) -> list[str]:
    """Return every name that the pattern matches, in order; "{07..12}" keeps the leading zeros.

    Raises:
      ManifestError: a brace holds neither a range nor a list.
    """
    for mark in _OPENING:
        pattern = re.sub(re.escape(mark) + r"(?=\d+\.\.\d+)", "{", pattern)
    for mark in _CLOSING:
        pattern = re.sub(r"(\d+\.\.\d+)" + re.escape(mark), r"\1}", pattern)
    parts = _BRACE.split(pattern)  # text, brace, text, ..., text
    if "{" in "".join(parts[::2]) or "}" in "".join(parts[::2]):
        raise ManifestError(f"{pattern}: the braces do not match; a range of files is written {{0..127}}")
    choices = [[part] if i % 2 == 0 else _choices(part, pattern) for i, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _choices(inside: str, pattern: str) -> list[str]:
    if found := _RANGE.fullmatch(inside):
        first, last = found.groups()
        if int(first) > int(last):
            raise ManifestError(f"{pattern}: the range {inside} runs backwards")
        width = len(first) if first.startswith("0") else 0
        return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    if "," in inside:
        return inside.split(",")
    raise ManifestError(f"{pattern}: {{{inside}}} is neither a range like {{0..127}} nor a list like {{a,b}}")


def numbers_of(names: list[str]) -> list[int]:
    """The last number in each name, as in "audio_12.tar"; counted from 0 where numbers are missing or repeated."""
    found = [re.search(r"(\d+)\D*$", name.rpartition("/")[2]) for name in names]
    numbers = [int(match[1]) for match in found if match]
    return numbers if len(set(numbers)) == len(names) else list(range(len(names)))
