"""Where enhanced recordings go: memory, or files that are named and stored like those that they come from."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float

from jaxspeech.audio.blocks import DEFAULT_FORMAT, Stored, write_recording
from jaxspeech.errors import AudioError, OutputError
from jaxspeech.files import replace_atomically
from jaxspeech.inference.enhanced_output import Write
from jaxspeech.inference.inputs import PIPE, Recording, find_recordings
from jaxspeech.manifest_lines import is_manifest


class Placed(NamedTuple):
    """A recording, and its place below the folder of results."""

    recording: Recording
    place: PurePath


def place_recordings(inputs: Any) -> Iterator[Placed]:
    """Yields every recording that `inputs` names, see `find_recordings`.

    What is in a folder, or is named by a manifest in whose folder it is, has the same place there; any other file has
    its name alone.
    """
    if isinstance(inputs, Placed):
        yield inputs
    elif isinstance(inputs, str | os.PathLike) and (name := os.fsdecode(os.fspath(inputs))) and name != PIPE:
        root = Path(name) if os.path.isdir(name) else Path(name).parent
        keeps = os.path.isdir(name) or is_manifest(name)
        for recording in find_recordings(inputs):
            yield Placed(recording, _place(recording, root if keeps else None))
    elif (
        isinstance(inputs, Iterable)
        and not isinstance(inputs, str | bytes | Recording | os.PathLike | Mapping)
        and (not hasattr(inputs, "shape"))
    ):
        count = 0
        for item in inputs:
            for placed in place_recordings(item):
                recording = placed.recording
                if not isinstance(recording.audio, str | Path) and not isinstance(item, Recording | Placed):
                    name, count = f"array {count}", count + 1
                    placed = Placed(recording._replace(source=name), PurePath(f"{name}.wav"))
                yield placed
    else:
        for recording in find_recordings(inputs):
            yield Placed(recording, _place(recording, None))


def _place(recording: Recording, root: Path | None) -> PurePath:
    if not isinstance(recording.audio, Path):
        return PurePath("stdin.wav" if isinstance(recording.audio, str) else f"{recording.source}.wav")
    if root is not None:
        with contextlib.suppress(ValueError):
            inside = recording.audio.relative_to(root)
            if ".." not in inside.parts:
                return inside
    return PurePath(recording.audio.name)


class Folder:
    """A folder of results. No two of them have one name, also where it has no capital letters.

    Args:
      path: of the folder, which is made when it is needed; or of a file, for one result.
      is_file: whether it is the latter.
    """

    def __init__(self, path: str | os.PathLike[str], *, is_file: bool = False):
        self._path, self._is_file = Path(path), is_file
        self._taken: set[str] = set()

    def path_of(self, place: PurePath) -> Path:
        """Returns the path of the next result: x.wav, or, where there was one of this place, x-2.wav, x-3.wav, ..."""
        if self._is_file:
            return self._path
        number, path = 1, self._path / place
        while str(path).casefold() in self._taken:
            number += 1
            path = self._path / place.with_name(f"{place.stem}-{number}{place.suffix}")
        self._taken.add(str(path).casefold())
        return path

    @contextlib.contextmanager
    def write(self, path: Path, recording: Recording, stored: Stored) -> Iterator[Write]:
        """Gives a function that writes the samples of a file, which appears when it is complete.

        Raises:
          AudioError: the file is the recording itself, or its format cannot be written.
          OutputError: the folder cannot be made, or the file cannot be written.
        """
        audio = recording.audio
        if isinstance(audio, Path) and path.exists() and os.path.samefile(audio, path):
            raise AudioError(
                f"{recording.source}: the result would replace the recording itself; name another --output"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_atomically(path) as temporary:
                with write_recording(temporary, _as_named(path, stored), name=str(path)) as write:
                    yield write
                os.chmod(temporary, 0o666 & ~_umask())
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


class Memory:
    """Keeps samples."""

    def __init__(self) -> None:
        self._blocks: list[Float[np.ndarray, "C S"]] = []

    @contextlib.contextmanager
    def write(self, stored: Stored) -> Iterator[Write]:
        """Gives a function that keeps a block."""
        del stored
        yield lambda block: self._blocks.append(np.array(block, np.float32))

    def samples(self) -> Float[np.ndarray, "C S"]:
        """All samples."""
        return np.concatenate(self._blocks, axis=1) if self._blocks else np.zeros((1, 0), np.float32)


def _as_named(path: Path, stored: Stored) -> Stored:
    """How the file is stored: as the recording, unless the name has the suffix of another format of libsndfile."""
    named = {"WAVE": "WAV", "OGA": "OGG", "OPUS": "OGG", "AIF": "AIFF"}.get(
        path.suffix[1:].upper(), path.suffix[1:].upper()
    )
    same = {stored.format, *({"WAV"} if stored.format in ("WAVEX", "RF64") else ())}
    if not stored.format and named in ("WAV", "FLAC"):  # of ffmpeg
        return stored._replace(format=named, subtype="PCM_16")
    if named in same or named not in soundfile.available_formats() or not stored.format:
        return stored
    subtype = stored.subtype if soundfile.check_format(named, stored.subtype) else soundfile.default_subtype(named)
    return stored._replace(format=named, subtype=subtype or DEFAULT_FORMAT, endian="FILE")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
