"""Encodes the texts of files and manifests as one sequence of tokens, each text followed by an end token."""

import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from jaxspeech.data.files import locate, open_binary
from jaxspeech.data.problems import Problems
from jaxspeech.errors import ManifestError, as_speech_error
from jaxspeech.manifest_lines import (
    DAMAGE,
    HEAD_BYTES,
    as_utf8,
    check_layout,
    check_text,
    is_manifest,
    numbered_lines,
    parse_line,
)
from jaxspeech.text.tokenizer import Tokenizer


class TextStream:
    """The tokens of all texts, kept in memory at two or four bytes per token.

    Attributes:
      tokens: the tokens of all texts in the order of the files, end tokens included.
      problems: the lines that cannot be used.
    """

    def __init__(self, paths: Sequence[str | Path], tokenizer: Tokenizer, *, problems: Problems | None = None):
        """Read and encode all texts.

        Args:
          paths: JSON lines (.jsonl or .json) with a "text", or files with a text on each line.
          tokenizer: encodes the texts; the end token is its `vocab_size`, the id of the blank.
          problems: collects lines that are broken or cannot be encoded; a new collection by default.

        Raises:
          ManifestError: a file cannot be read, or too many lines cannot be used.
        """
        self.problems = Problems() if problems is None else problems
        self._paths = list(paths)
        self._tokenizer = tokenizer
        kind = np.uint16 if tokenizer.vocab_size < 2**16 else np.uint32
        parts, numbers, counts, lines = [np.zeros(0, kind)], [], [], 0
        for path in self._paths:
            for number, line in _lines(path):
                lines += 1
                try:
                    if text := _text(line, of_manifest=is_manifest(str(path))):
                        parts.append(np.array([*tokenizer.encode(text), self.end], kind))
                        numbers.append(number)
                except Exception as error:  # also what a tokenizer raises
                    place = f"{path}:{number}"
                    self.problems.add(place, str(as_speech_error(error, place)))
            counts.append(len(numbers))
        self.problems.check(lines)
        self.tokens = np.concatenate(parts)
        # For each text: where it ends, and its line number. For each file: number of texts up to its end.
        self._ends = np.cumsum([len(part) for part in parts[1:]])
        self._lines = np.array(numbers, np.int32)
        self._texts_until = counts

    @property
    def end(self) -> int:
        """The id of the end token."""
        return self._tokenizer.vocab_size

    def name(self, place: int) -> str:
        """The file and line of the text that contains the token at position `place`."""
        text = int(np.searchsorted(self._ends, place, side="right"))
        return f"{self._paths[bisect_right(self._texts_until, text)]}:{self._lines[text]}"

    def spelled_out(self, tokens: np.ndarray) -> str:
        """Decode these tokens: one line for each text among them."""
        ends = [0, *(np.flatnonzero(tokens == self.end) + 1).tolist(), len(tokens)]
        parts = (tokens[first:last].tolist() for first, last in pairwise(ends))
        return "\n".join(self._tokenizer.decode([i for i in part if i != self.end]) for part in parts if part)


def _lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield the number and content of each line that is not blank."""
    with open_binary(locate(path), error=ManifestError) as opened:
        try:
            file = as_utf8(opened if hasattr(opened, "peek") else io.BufferedReader(opened))
            if is_manifest(str(path)):
                check_layout(file.peek(HEAD_BYTES))
            yield from numbered_lines(file)
        except (ManifestError, *DAMAGE) as error:
            raise as_speech_error(error, str(path)) from error


def _text(line: bytes, *, of_manifest: bool) -> str:
    """Return the text of a line.

    Raises:
      ManifestError: the line has no text, or is broken.
    """
    if of_manifest:
        return check_text(parse_line(line).get("text")).strip()
    try:
        return line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise ManifestError("not UTF-8") from error
