"""Reads texts for a language model one after another: lines of text files, and the texts of manifests."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from jaxspeech.errors import LanguageModelError, ManifestError, SpeechError, as_speech_error
from jaxspeech.manifest_lines import DAMAGE, as_utf8, check_layout, check_text, numbered_lines, parse_line

HEAD_BYTES = 1 << 12


@runtime_checkable
class Encoder(Protocol):
    """Turns a text into tokens: a tokenizer, or `Words`."""

    def encode(self, text: str) -> list[int]: ...


class Words:
    """Turns a text into the words of a model over words; one that it does not have is V.

    Args:
      words: of the model, V of them.
    """

    def __init__(self, words: Sequence[str]):
        self._ids = {word: i for i, word in enumerate(words)}

    def encode(self, text: str) -> list[int]:
        """Returns the number of each word."""
        return [self._ids.get(word, len(self._ids)) for word in text.split()]


class Texts:
    """The token ids of every text, for one pass; memory does not grow with their number.

    Args:
      tokenizer: encodes them; white space between words becomes a single space first.
      text_files: with a text on each line.
      manifests: JSON lines with a "text".
      report: is called with a line about each text that is left out: it cannot be read or encoded.

    Attributes:
      texts, words, left_out: how many there have been so far; blank lines count nowhere.
    """

    def __init__(
        self,
        tokenizer: Encoder,
        text_files: Iterable[str],
        manifests: Iterable[str],
        *,
        report: Callable[[str], None] = lambda line: None,
    ):
        self.texts = self.words = self.left_out = 0
        self._tokenizer, self._report = tokenizer, report
        self._files = [(path, False) for path in text_files] + [(path, True) for path in manifests]

    def __iter__(self) -> Iterator[list[int]]:
        for path, is_manifest in self._files:
            for number, line in _lines(path, is_manifest=is_manifest):
                try:
                    text = check_text(parse_line(line).get("text")) if is_manifest else line.decode("utf-8-sig")
                    words = text.split()
                    ids = list(self._tokenizer.encode(" ".join(words)))
                except Exception as error:  # whatever a tokenizer raises
                    self.left_out += 1
                    reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error
                    shown = reason if isinstance(reason, str | SpeechError) else as_speech_error(error, "not encoded")
                    self._report(f"left out {path}:{number}: {shown}")
                    continue
                if words:
                    self.texts, self.words = self.texts + 1, self.words + len(words)
                    yield ids


def _lines(path: str, *, is_manifest: bool) -> Iterator[tuple[int, bytes]]:
    try:
        with open(path, "rb") as file:
            stream: Any = as_utf8(file)
            head = stream.peek(HEAD_BYTES)[:HEAD_BYTES]
            if is_manifest:
                check_layout(head)
            elif _is_of_json(head):
                raise LanguageModelError(f"{path} has JSON objects, not texts: give a manifest by --manifest={path}")
            yield from numbered_lines(stream)
    except ManifestError as error:
        raise LanguageModelError(f"{path} {error}") from error
    except (OSError, *DAMAGE) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LanguageModelError(f"{path} cannot be read: {reason}") from error


def _is_of_json(head: bytes) -> bool:
    """Whether a file begins with a JSON object in a line of its own, as a manifest does."""
    try:
        return isinstance(json.loads(head.partition(b"\n")[0]), dict)
    except (ValueError, RecursionError):
        return False
