"""Reads recordings from tar files, and manifests from tar files that also hold transcripts (WebDataset)."""

import gzip
import io
import json
import re
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from jaxspeech.audio.read import read_seconds
from jaxspeech.audio.suffixes import AUDIO_SUFFIXES
from jaxspeech.data.braces import numbers_of
from jaxspeech.data.files import Location, is_url, open_binary, open_local
from jaxspeech.errors import AudioError, ManifestError
from jaxspeech.runtime.platform import read_at

_SUB = re.compile(r"-sub\d+$")


def is_streamed(path: Location) -> bool:
    """Whether a tar has to be copied before its members can be read: it is remote or compressed."""
    return is_url(path) or str(path).endswith((".gz", ".tgz"))


class Tar:
    """`tar.read(name)` returns the bytes of a member. Safe to call from any thread.

    A streamed tar is copied to an unnamed temporary file that exists as long as this object.
    """

    def __init__(self, path: Location):
        """Index the members; raises AudioError if the file is missing or not a tar."""
        self._path = path
        self._file = _local(path)
        self._members: dict[str, tuple[int, int]] = {}
        self._damage = ""
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for member in tar:
                    if member.isfile():
                        place = (member.offset_data, member.size)
                        self._members[member.name.removeprefix("./")] = place
                        # A manifest may name the recording with a different folder or suffix.
                        self._members.setdefault(PurePosixPath(member.name).stem, place)
        except tarfile.ReadError as error:
            if not self._members:
                raise AudioError(f"{path}: not a tar file ({error})") from error
            self._damage = f"; it is damaged: {error}"  # members before the damage are used

    def read(self, name: str) -> bytes:
        """Return the bytes of the member that a manifest calls `name`.

        Raises:
          AudioError: there is no such member, or the tar ends within it.
        """
        stem = PurePosixPath(name).stem
        # NeMo's manifests name further parts of a recording "a-sub1.wav", "a-sub2.wav"; the tar holds "a.wav".
        known = (self._members.get(call) for call in (name, stem, _SUB.sub("", stem)))
        place = next(filter(None, known), None)
        if place is None:
            raise AudioError(f"{self._path}: holds no {name}{self._damage}")
        start, size = place
        data = read_at(self._file, size, start)
        if len(data) < size:
            raise AudioError(f"{self._path}: ends within {name}")
        return data


def _local(path: Location) -> io.IOBase:
    """Open the uncompressed tar for random access."""
    if not is_streamed(path):
        if not Path(path).is_file():
            raise AudioError(f"{path}: no such file")
        return open_local(path, error=AudioError)
    copy = tempfile.TemporaryFile()  # noqa: SIM115  lasts as long as the Tar
    try:
        with open_binary(path, error=AudioError) as file:
            packed = str(path).endswith((".gz", ".tgz"))
            shutil.copyfileobj(gzip.GzipFile(fileobj=file) if packed else file, copy, 1 << 20)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise AudioError(f"{path}: damaged: {error}") from error
    copy.flush()
    copy.seek(0)
    return copy


def read_entries(paths: Sequence[Location]) -> Iterator[dict[str, Any]]:
    """Yield manifest lines for tars without a manifest: audio and .json or .txt of the same name are one example.

    The tars are read once, from end to end.

    Raises:
      ManifestError: a tar cannot be read.
    """
    numbers = numbers_of([str(path) for path in paths])
    for number, path in zip(numbers, paths, strict=True):
        group: dict[str, Any] = {}
        with open_binary(path, error=ManifestError) as file:
            try:
                with tarfile.open(fileobj=file, mode="r|*") as tar:
                    for member in tar:
                        if not member.isfile():
                            continue
                        name = member.name.removeprefix("./")
                        folder, _, base = name.rpartition("/")
                        key = f"{folder}/{base.partition('.')[0]}"
                        if group.get("key") != key:
                            yield from _entry(group, number)
                            group = {"key": key}
                        content = tar.extractfile(member)
                        if content is not None:
                            group[f".{base.partition('.')[2].lower()}"] = (name, content.read())
            except (tarfile.ReadError, EOFError) as error:
                raise ManifestError(f"{path}: not a tar file, or a damaged one ({error})") from error
        yield from _entry(group, number)


def _entry(group: dict[str, Any], number: int) -> Iterator[dict[str, Any]]:
    audio = next((group[suffix] for suffix in AUDIO_SUFFIXES if suffix in group), None)
    if audio is None:
        return
    name, data = audio
    fields: dict[str, Any] = {}
    if ".json" in group:
        try:
            stated = json.loads(group[".json"][1])
        except ValueError:
            stated = None
        fields = stated if isinstance(stated, dict) else {"text": None}  # counted as a bad line
    if ".txt" in group:
        fields["text"] = group[".txt"][1].decode(errors="replace").strip()
    try:
        seconds = read_seconds(io.BytesIO(data), name=name)
    except AudioError:
        seconds = 0.0  # also counted as a bad line
    place = {"audio_filepath": name, "shard_id": number, "duration": seconds}
    yield {key: value for key, value in fields.items() if key != "offset"} | place
