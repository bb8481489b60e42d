"""Downloads archives: fetched once, resumed after an interruption, verified, and unpacked safely."""

import hashlib
import http.client
import io
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from tqdm import tqdm

from jaxspeech.errors import SpeechError
from jaxspeech.runtime.platform import lock

TIMEOUT_SECONDS = 60
BLOCK = 1 << 20


def download(url: str, path: Path, *, size: int | None = None, md5: str | None = None) -> Path:
    """Download `url` to `path`, unless that file exists; verify size and checksum before the file gets its name.

    An interrupted download leaves `path` + ".part", from which the next call resumes.

    Args:
      url: an http, https or file URL.
      size: published size in bytes, if any.
      md5: published checksum, if any.

    Raises:
      SpeechError: one line: the server cannot be reached, has no such file or breaks off, or the download does not
        have the published size or checksum.
    """
    if not path.exists():
        part = path.with_name(path.name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("ab") as file:
                if not lock(file):
                    raise SpeechError(f"{path}: another process is downloading it; run the command again after that")
                _fetch(url, file, name=part.stem)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
            raise SpeechError(f"{url}: cannot be downloaded: {reason}; run the command again to resume") from error
        _check(part, url, size=size, md5=md5)
        part.replace(path)
    return path


def extract(archive: Path, folder: Path, target: Callable[[PurePosixPath], str | None]) -> int:
    """Unpack the files of a tar archive for which `target` returns a path below `folder`; return their number.

    Raises:
      SpeechError: the archive is damaged, or a path lies outside the folder.
    """
    count = 0
    try:
        with tarfile.open(archive, "r|*") as tar:
            for member in tqdm(tar, desc=f"unpacking {archive.name}", unit=" files"):
                name = target(PurePosixPath(member.name)) if member.isfile() else None
                source = tar.extractfile(member) if name is not None else None
                if source is not None:
                    _write(source, folder, PurePosixPath(str(name)))
                    count += 1
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise SpeechError(f"{archive}: damaged ({error}); delete it and run the command again") from error
    return count


def _write(source: Any, folder: Path, name: PurePosixPath) -> None:
    if name.is_absolute() or ".." in name.parts:
        raise tarfile.TarError(f"{name} lies outside the folder")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def _fetch(url: str, file: BinaryIO, *, name: str) -> None:
    have = file.seek(0, io.SEEK_END)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        return  # nothing is left to fetch
    with response:
        goes_on = getattr(response, "status", None) == http.HTTPStatus.PARTIAL_CONTENT
        have = file.truncate(have if goes_on else 0)
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with tqdm(desc=name, initial=have, total=total, unit="B", unit_scale=True, unit_divisor=1024) as bar:
            while block := response.read(BLOCK):
                file.write(block)
                bar.update(len(block))
        file.flush()
        if total is not None and file.tell() < total:
            raise ConnectionError(f"broke off after {file.tell()} of {total} bytes")


def _check(part: Path, url: str, *, size: int | None, md5: str | None) -> None:
    found = part.stat().st_size
    if size is not None and found != size:
        part.unlink()
        raise SpeechError(f"{url}: has {found} bytes instead of {size}; deleted, run the command again")
    if md5 is not None:
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "md5").hexdigest()
        if digest != md5:
            part.unlink()
            raise SpeechError(f"{url}: has the MD5 {digest} instead of {md5}; deleted, run the command again")
