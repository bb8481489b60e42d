"""Tar files of recordings, read member by member; and what they say by themselves, as WebDataset's do."""

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import soundfile

from jaxspeech.data.braces import numbers_of
from jaxspeech.data.files import Location, is_url, open_binary, open_local
from jaxspeech.errors import AudioError, ManifestError

_SUB = re.compile(r"-sub\d+$")
AUDIO_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".opus")


def is_streamed(path: Location) -> bool:
    """Whether a tar is read once from end to end before its members can be: it is far away, or compressed."""
    return is_url(path) or str(path).endswith((".gz", ".tgz"))


class Tar:
    """`tar.read(name)`: the bytes of a member. Safe to call from any thread.

    A tar that is streamed lies in a temporary file without a name as long as this object lives.
    """

    def __init__(self, path: Location):
        """Raises AudioError: it is not there, or not a tar."""
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
                        # A manifest may know the recording by another folder, or by another suffix.
                        self._members.setdefault(PurePosixPath(member.name).stem, place)
        except tarfile.ReadError as error:
            if not self._members:
                raise AudioError(f"{path}: not a tar file ({error})") from error
            self._damage = f"; it is damaged: {error}"  # what comes before the damage is used

    def read(self, name: str) -> bytes:
        """The member that a manifest calls `name`.

        Raises:
          AudioError: there is none, or the tar ends in it.
        """
        stem = PurePosixPath(name).stem
        # The peer's manifests call further parts of a recording "a-sub1.wav", "a-sub2.wav"; the tar has "a.wav".
        known = (self._members.get(call) for call in (name, stem, _SUB.sub("", stem)))
        place = next(filter(None, known), None)
        if place is None:
            raise AudioError(f"{self._path}: holds no {name}{self._damage}")
        start, size = place
        data = os.pread(self._file.fileno(), size, start)
        if len(data) < size:
            raise AudioError(f"{self._path}: ends within {name}")
        return data


def _local(path: Location) -> io.IOBase:
    """The uncompressed tar for random access."""
    if not is_streamed(path):
        if not Path(path).is_file():
            raise AudioError(f"{path}: no such file")
        return open_local(path, error=AudioError)
    copy = tempfile.TemporaryFile()  # noqa: SIM115  lasts as long as the Tar
    try:
        with open_binary(path, error=AudioError) as file:
            packed = str(path).endswith((".gz", ".tgz"))
            shutil.copyfileobj(gzip.GzipFile(fileobj=file) if packed else file, copy, 1 << 20)
    except (EOFError, gzip.BadGzipFile) as error:
        raise AudioError(f"{path}: damaged: {error}") from error
    copy.flush()
    copy.seek(0)
    return copy


def read_entries(paths: Sequence[Location]) -> Iterator[dict[str, Any]]:
    """The lines of a manifest for tars that have none: files of one name belong together, audio and .json or .txt.

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
        fields = stated if isinstance(stated, dict) else {"text": None}  # which is counted as a bad line
    if ".txt" in group:
        fields["text"] = group[".txt"][1].decode(errors="replace").strip()
    try:
        info = soundfile.info(io.BytesIO(data))
        seconds = info.frames / info.samplerate
    except soundfile.LibsndfileError:
        seconds = 0.0  # counted as a bad line too
    place = {"audio_filepath": name, "shard_id": number, "duration": seconds}
    yield {key: value for key, value in fields.items() if key != "offset"} | place
