"""Encodes the texts of files and manifests as one sequence of tokens, each text followed by an end token."""

import hashlib
import io
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from jaxspeech.data.files import Location, locate, open_binary
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
      digest: a short hash of the texts, which no tokenizer changes.
      problems: the lines that cannot be used.
    """

    def __init__(self, paths: Sequence[Location | str], tokenizer: Tokenizer, *, problems: Problems | None = None):
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
        parts, numbers, counts, lines, digest = [np.zeros(0, kind)], [], [], 0, hashlib.sha256()
        for path in self._paths:
            for number, text in texts_of(path, self.problems):
                lines += 1
                if not text:
                    continue
                try:
                    parts.append(np.array([*tokenizer.encode(text), self.end], kind))
                except Exception as error:  # whatever a tokenizer raises
                    place, lines = f"{path}:{number}", lines - 1
                    self.problems.add(place, str(as_speech_error(error, place)))
                    continue
                numbers.append(number)
                digest.update(f"{text}\n".encode())
            counts.append(len(numbers))
        self.problems.check(lines + len(self.problems))
        self.tokens, self.digest = np.concatenate(parts), digest.hexdigest()[:16]
        # For each text: where it ends, and its line number. For each file: number of texts up to its end.
        self._ends = np.cumsum([len(part) for part in parts[1:]])
        self._lines = np.array(numbers, np.int32)
        self._texts_until = counts

    @property
    def end(self) -> int:
        """The id of the end token."""
        return self._tokenizer.vocab_size

    def __len__(self) -> int:
        """The number of texts."""
        return len(self._ends)

    @property
    def lengths(self) -> Int[np.ndarray, " N"]:
        """The number of tokens of each text, with its end token."""
        return np.diff(self._ends, prepend=0)

    @property
    def file_of(self) -> Int[np.ndarray, " N"]:
        """The number of the file that each text is in."""
        return np.searchsorted(self._texts_until, np.arange(len(self)), side="right")

    def text(self, number: int) -> np.ndarray:
        """The tokens of a text, without its end token."""
        return self.tokens[self.start(number) : self._ends[number] - 1]

    def start(self, number: int) -> int:
        """The position of a text's first token."""
        return int(self._ends[number - 1]) if number else 0

    def name(self, place: int) -> str:
        """The file and line of the text that contains the token at position `place`."""
        text = int(np.searchsorted(self._ends, place, side="right"))
        return f"{self._paths[bisect_right(self._texts_until, text)]}:{self._lines[text]}"

    def spelled_out(self, tokens: np.ndarray) -> str:
        """Decode these tokens: one line for each text among them."""
        ends = [0, *(np.flatnonzero(tokens == self.end) + 1).tolist(), len(tokens)]
        parts = (tokens[first:last].tolist() for first, last in pairwise(ends))
        return "\n".join(self._tokenizer.decode([i for i in part if i != self.end]) for part in parts if part)


def texts_of(path: Location | str, problems: Problems) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line that is not blank, with single spaces between its words.

    Args:
      path: JSON lines (.jsonl or .json) with a "text", or a file with a text on each line.
      problems: collects the lines that are broken, or have no text where they must.

    Raises:
      ManifestError: the file cannot be read.
    """
    of_manifest = is_manifest(str(path))
    for number, line in lines_of(path, of_manifest=of_manifest):
        try:
            text = " ".join(_text(line, of_manifest=of_manifest).split())
        except Exception as error:  # of whatever kind
            problems.add(f"{path}:{number}", str(as_speech_error(error, f"{path}:{number}")))
            continue
        yield number, text


def lines_of(path: Location | str, *, of_manifest: bool) -> Iterator[tuple[int, bytes]]:
    """Yield the number and content of each line that is not blank.

    Raises:
      ManifestError: the file cannot be read or, of a manifest, has another layout than one object a line.
    """
    with open_binary(locate(path), error=ManifestError) as opened:
        try:
            file = as_utf8(opened if hasattr(opened, "peek") else io.BufferedReader(opened))
            if of_manifest:
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
        return check_text(parse_line(line).get("text"))
    try:
        return line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ManifestError("not UTF-8") from error
