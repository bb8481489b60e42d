r"""Reads and writes the text format of n-gram models (ARPA), plain or gzipped.

    \data\
    ngram 1=3
    ...
    \1-grams:
    -0.5<TAB>word<TAB>-0.3            log10 p(word), the word, log10 of the backoff weight, if there is one
    ...
    \end\

Only a line feed ends a line, only a tab separates fields and only a space separates words: NeMo writes the token i as
the character i + 100, and some of those are white space of other kinds. Files without tabs are read too.
"""

import gzip
import io
import itertools
import math
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.errors import LanguageModelError
from jaxspeech.files import replace_atomically
from jaxspeech.ngrams.model import LEAST, SPECIAL, NgramModel, Ngrams

# Lines that are split at once: the words of this many are in memory together.
BLOCK_LINES = 1 << 16
GZIP_MAGIC = b"\x1f\x8b"
KENLM_MAGIC = b"mmap lm http://kheafield.com/code"
LOG10 = math.log(10)
# A log10 above it is damage: no model's weight is so large, and float32 would make it infinite.
MOST = 1e30
# What stands for a backoff weight of log10(0), as other tools write it.
LEAST_BACKOFF = -99.0
WITHOUT_BACKOFF = re.compile(r"^([^\t\n]*\t[^\t\n]*)$", re.MULTILINE)


class Arpa(NamedTuple):
    """The content of a file: words, and n-grams as numbers of words in that list."""

    words: list[str]
    parts: list[Ngrams]


def read_arpa(path: str | os.PathLike[str]) -> Arpa:
    """Reads a file.

    Raises:
      LanguageModelError: the file is missing or damaged, or is no ARPA file; says where.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.peek(len(KENLM_MAGIC))
            if head.startswith(KENLM_MAGIC):
                raise LanguageModelError("a KenLM binary: give the ARPA file that it was built from")
            stream: Any = gzip.GzipFile(fileobj=file) if head.startswith(GZIP_MAGIC) else file
            return _read(_Lines(io.TextIOWrapper(stream, encoding="utf-8", newline="\n")))
    except LanguageModelError as error:
        raise LanguageModelError(f"{path}: {error}") from error
    except (UnicodeDecodeError, EOFError, zlib.error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LanguageModelError(f"{path}: no ARPA file, or damaged ({reason})") from error


def write_arpa(path: str | os.PathLike[str], model: NgramModel, spell: Callable[[int], str]) -> None:
    """Writes a model, gzipped if the path ends in .gz.

    Args:
      spell: the word of a token.

    Raises:
      LanguageModelError: the file cannot be written.
    """
    try:
        with replace_atomically(path) as temporary:
            opened: Any = gzip.open if str(path).endswith(".gz") else open
            with opened(temporary, "wt", encoding="utf-8", newline="\n") as stream:
                stream.writelines(_written(model, spell))
    except (OSError, UnicodeEncodeError) as error:
        raise LanguageModelError(f"{path}: cannot be written ({error})") from error


class _Lines:
    """The lines of a file without their ends, with the number of the last one."""

    def __init__(self, stream: io.TextIOWrapper):
        self._stream, self.number = stream, 0

    def next(self) -> str | None:
        """The next line; None at the end."""
        line = self._stream.readline()
        self.number += 1
        return line.rstrip("\n\r") if line else None

    def take(self, count: int) -> str:
        """The next lines, with their ends."""
        block = "".join(itertools.islice(self._stream, count))
        self.number += block.count("\n") + (not block.endswith("\n") if block else 0)
        return block.replace("\r\n", "\n") if "\r" in block else block

    def filled(self) -> str:
        """The next line that is not blank."""
        while (line := self.next()) is not None:
            if line.strip():
                return line
        raise LanguageModelError(f"it ends at line {self.number - 1}, without \\end\\")


def _read(lines: _Lines) -> Arpa:
    first = lines.next()
    while first is not None and not first.strip():
        first = lines.next()
    if first is None or first.lstrip("\ufeff").strip() != "\\data\\":
        raise LanguageModelError(f"no ARPA file: line {lines.number} is not \\data\\")
    counts: list[int] = []
    line = lines.filled()
    while line.startswith("ngram"):
        order, _, count = line.removeprefix("ngram").partition("=")
        if not count.strip().isdecimal() or order.strip() != str(len(counts) + 1):
            raise LanguageModelError(f"line {lines.number} is {_shown(line)}, not ngram {len(counts) + 1}=...")
        counts.append(int(count))
        line = lines.filled()
    words: dict[str, int] = {}
    parts = []
    for n, count in enumerate(counts, start=1):
        if line.strip() != f"\\{n}-grams:":
            raise LanguageModelError(f"line {lines.number} is {_shown(line)}, not \\{n}-grams:")
        blocks = [_block(lines, n, size, words) for size in _sizes(count)]
        parts.append(Ngrams(*map(np.concatenate, zip(*blocks, strict=True))))
        line = lines.filled()
        if not line.startswith("\\"):
            raise LanguageModelError(f"line {lines.number}: more {n}-grams than the {count} of the header")
    if not counts or not counts[0]:
        raise LanguageModelError("it has no unigrams")
    return Arpa(list(words), parts)


def _sizes(count: int) -> Iterator[int]:
    """Yields the sizes of the blocks of `count` lines; a damaged header may promise more than fit in memory."""
    return (min(BLOCK_LINES, count - start) for start in range(0, max(count, 1), BLOCK_LINES))


def _block(lines: _Lines, n: int, size: int, words: dict[str, int]) -> Ngrams:
    """Reads the next `size` n-grams; those of length 1 add their words to `words`."""
    first = lines.number + 1
    block = lines.take(size)
    try:
        columns = _columns(block, n, size)
        log_probs, backoffs = (np.fromiter(map(float, columns[i]), np.float64) for i in (0, 2))
        backoffs = backoffs if backoffs.size else np.zeros(size)
        if n == 1:
            start = len(words)
            words.update(zip(columns[1], range(start, start + size), strict=True))
            tokens = np.arange(start, start + size)
            if len(words) != start + size:
                raise ValueError
        else:
            flat = " ".join(columns[1]).split(" ") if size else []
            tokens = np.fromiter(map(words.__getitem__, flat), np.int64, len(flat))
            if len(flat) != n * size:
                raise ValueError
        if not (log_probs < MOST).all() or not (backoffs < MOST).all():  # also where one is NaN
            raise ValueError
        backoffs = np.where(backoffs > -MOST, backoffs, LEAST_BACKOFF)
        return Ngrams(tokens.reshape(size, n), log_probs * LOG10, backoffs * LOG10)
    except (ValueError, IndexError, KeyError):
        raise _fault(
            block.split("\n")[:-1] if block.endswith("\n") else block.split("\n"), first, n, size, words
        ) from None


def _columns(block: str, n: int, size: int) -> list[Sequence[str]]:
    """Splits a block of lines into its columns, all lines at once; the third one is empty if no line has a backoff.

    Raises:
      ValueError: there are fewer lines, or a line has a wrong number of fields.
    """
    if not size:
        return [(), (), ()]
    if block.count("\n") != size:
        raise ValueError
    if block.count("\t") < size:  # not all lines have tabs
        block = "".join("\t".join(_split_at_spaces(line, n)) + "\n" for line in block.split("\n")[:-1])
    tabs = block.count("\t")
    if size < tabs < 2 * size:
        block = WITHOUT_BACKOFF.sub(r"\1\t0", block)
        tabs = block.count("\t")
    if tabs not in (size, 2 * size):
        raise ValueError
    width = tabs // size + 1
    # A field of its own at each line's end shows whether all lines have the same fields.
    flat = block.replace("\n", "\t\n\t").split("\t")[:-1]
    if len(flat) != size * (width + 1) or set(flat[width :: width + 1]) != {"\n"}:
        raise ValueError
    return [flat[:: width + 1], flat[1 :: width + 1], flat[2 :: width + 1] if width == 3 else ()]


def _split_at_spaces(line: str, n: int) -> list[str]:
    first, *rest = line.strip().replace("\t", " ").split(" ")
    return [first, " ".join(rest[:n]), *rest[n:]]


def _fault(taken: Sequence[str], first: int, n: int, size: int, words: dict[str, int]) -> LanguageModelError:
    """Finds the line for which a block cannot be read."""
    seen: set[str] = set()
    for number, line in enumerate(taken, start=first):
        if not line.strip() or line.startswith("\\"):
            return LanguageModelError(f"line {number}: fewer {n}-grams than the header says")
        fields = line.split("\t") if "\t" in line else _split_at_spaces(line, n)
        parts = fields[1].split(" ") if len(fields) > 1 else []
        if len(fields) not in (2, 3) or len(parts) != n or not all(map(_is_number, [fields[0], *fields[2:]])):
            return LanguageModelError(f"line {number} is no {n}-gram: {_shown(line)}")
        if n > 1 and (unknown := [word for word in parts if word not in words]):
            return LanguageModelError(f"line {number}: the word {unknown[0]!r} has no unigram")
        if n == 1 and parts[0] in seen:
            return LanguageModelError(f"line {number}: the word {parts[0]!r} is there twice")
        seen.add(" ".join(parts))
    if len(taken) < size:
        return LanguageModelError(f"it ends at line {first + len(taken) - 1}, within the {n}-grams")
    return LanguageModelError(f"a word is there twice, at or before line {first + len(taken) - 1}")


def _is_number(text: str) -> bool:
    try:
        return float(text) < MOST
    except ValueError:
        return False


def _shown(line: str) -> str:
    return repr(line if len(line) <= 80 else f"{line[:77]}...")


def _written(model: NgramModel, spell: Callable[[int], str]) -> Iterator[str]:
    spelled: Any = [*({token: word for word, token in SPECIAL.items()}[t] for t in range(LEAST, 0))]
    spelled += [spell(token) for token in range(model.vocab_size)]
    spelled = np.array(spelled, dtype=object)
    yield "\\data\\\n"
    yield from (f"ngram {n}={len(table.tokens)}\n" for n, table in enumerate(model.orders, start=1))
    for n, table in enumerate(model.orders, start=1):
        yield f"\n\\{n}-grams:\n"
        words = spelled[model.ngrams(n) - LEAST]
        log_probs = np.maximum(table.log_probs.astype(np.float64) / LOG10, -99)
        backoffs = table.backoffs.astype(np.float64) / LOG10
        for row, log_prob, backoff in zip(words.tolist(), log_probs.tolist(), backoffs.tolist(), strict=True):
            weight = f"\t{backoff:.7g}" if n < len(model.orders) and row[-1] != "</s>" else ""
            yield f"{log_prob:.7g}\t{' '.join(row)}{weight}\n"
    yield "\n\\end\\\n"
