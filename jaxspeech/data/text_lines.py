"""Lines of text to be spoken: one on each line of a file, or the field "text" of each line of JSON.

    we need salmon and honey
    {"text": "it is four o'clock", "tts_text": "It is 4 o'clock.", "speaker": 3}

`text` is what a recogniser learns to write; `tts_text` is what is spoken, by default the same. With a `speaker` it is
always he who speaks.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex

import numpy as np
from jaxtyping import Float

from jaxspeech.data.files import Location
from jaxspeech.data.problems import Problems
from jaxspeech.data.sources import ParsedSource
from jaxspeech.data.text_stream import lines_of
from jaxspeech.errors import ManifestError, as_speech_error
from jaxspeech.manifest_lines import check_text, is_manifest, parse_line
from jaxspeech.runtime.unicode import to_json

# As in NeMo's manifests.
SPOKEN_FIELDS = ("tts_text_normalized", "tts_text")


class TextLines:
    """All lines that hold a text, in memory at the size of their files.

    Attributes:
      weights: of the file of each line: how often an epoch shows it.
      problems: the lines that cannot be used.
    """

    def __init__(self, sources: Sequence[ParsedSource], *, problems: Problems | None = None):
        """Read the files; blank lines are none.

        Raises:
          ManifestError: a file cannot be read, too many lines cannot be used, or none is left.
        """
        self.problems = Problems() if problems is None else problems
        self._paths = [_path(source) for source in sources]
        lines: list[bytes] = []
        places: list[tuple[int, int]] = []
        for file, path in enumerate(self._paths):
            plain = not is_manifest(str(path))
            for number, line in lines_of(path, of_manifest=not plain):
                try:
                    fields = _fields(line, plain=plain)
                except Exception as error:  # of whatever kind
                    self.problems.add(f"{path}:{number}", str(as_speech_error(error, f"{path}:{number}")))
                    continue
                if fields["text"]:
                    lines.append(to_json(fields).encode())
                    places.append((file, number))
        self.problems.check(len(lines) + len(self.problems))
        if not lines:
            raise ManifestError(f"{', '.join(map(str, self._paths))}: no text")
        self._bytes, self._ends = b"".join(lines), np.cumsum([len(line) for line in lines])
        self._files, self._numbers = np.array(places, np.int32).T
        self.weights: Float[np.ndarray, " N"] = np.array([source.weight for source in sources])[self._files]

    def __len__(self) -> int:
        return len(self._ends)

    def line(self, index: SupportsIndex) -> bytes:
        """A line as JSON."""
        index = index.__index__()
        return self._bytes[int(self._ends[index - 1]) if index else 0 : int(self._ends[index])]

    def fields(self, index: SupportsIndex) -> dict[str, Any]:
        """The fields of a line, "text" among them."""
        return parse_line(self.line(index))

    def spoken(self, index: SupportsIndex) -> str:
        """What is to be said."""
        fields = self.fields(index)
        return next((fields[name] for name in SPOKEN_FIELDS if fields.get(name)), fields["text"])

    def name(self, index: SupportsIndex) -> str:
        """The file and the number of a line."""
        return f"{self._paths[self._files[index]]}:{self._numbers[index]}"

    @property
    def checksum(self) -> int:
        """Of all lines."""
        return zlib.crc32(self._bytes)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self.fields(index) for index in range(len(self)))


def _path(source: ParsedSource) -> Location:
    if source.path is None or source.tars:
        raise ManifestError("text.train: lines of text are read from files, not from tars")
    return source.path


def _fields(line: bytes, *, plain: bool) -> dict[str, Any]:
    """The fields of a line.

    Raises:
      ManifestError: it has no text, or is broken.
    """
    if plain:
        try:
            fields: dict[str, Any] = {"text": line.decode("utf-8-sig")}
        except UnicodeDecodeError as error:
            raise ManifestError("not UTF-8") from error
    else:
        fields = parse_line(line)
    for name in SPOKEN_FIELDS:
        if fields.get(name) is not None:
            check_text(fields[name], name=name)
    speaker = fields.get("speaker")
    if speaker is not None and not (isinstance(speaker, int) and speaker >= 0):
        raise ManifestError(f"the speaker is {speaker!r}; it must be the number of a speaker of the generator")
    return fields | {"text": " ".join(check_text(fields.get("text")).split())}
