"""Searches a folder for audio files: recursively, in alphabetical order, through links, each file once."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxspeech.audio.suffixes import AUDIO_SUFFIXES

# macOS keeps a file's attributes in a second file of this prefix on disks of other systems.
ATTRIBUTES = "._"


class Found(NamedTuple):
    """An audio file, or a place that cannot be searched, with the reason in `problem`."""

    path: Path
    problem: str = ""


def search(folder: Path) -> Iterator[Found]:
    """Yields the audio files in a folder and its subfolders, by their suffixes.

    Links are followed; a folder that is reached twice, as in a circle of links, is searched once. A link to a missing
    audio file, what is named like audio but is no file, and a subfolder that cannot be opened have a `problem`.
    """
    seen: set[tuple[int, int]] = set()
    waiting: list[Iterator[Path]] = [iter((folder,))]
    while waiting:
        path = next(waiting[-1], None)
        if path is None:
            waiting.pop()
        elif path != folder and path.name.startswith(ATTRIBUTES):
            continue
        elif path.is_dir():
            try:
                status = path.stat()
                if (place := (status.st_dev, status.st_ino)) not in seen:
                    seen.add(place)
                    waiting.append(map(path.joinpath, sorted(os.listdir(path))))
            except OSError as error:
                yield Found(path, f"{path}: cannot be searched ({error.strerror})")
        elif path.suffix.lower() in AUDIO_SUFFIXES:
            if path.is_file():
                yield Found(path)
            else:
                missing = path.is_symlink() and not path.exists()
                yield Found(path, f"{path}: " + ("a link to a missing file" if missing else "not a regular file"))
