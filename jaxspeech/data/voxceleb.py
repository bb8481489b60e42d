"""Makes the manifests and trials of VoxCeleb 1 and 2 as they are on disk.

    wav/id10001/1zcIwhmdeo4/00001.wav        VoxCeleb 1
    dev/aac/id00012/21Uxsk56VDQ/00001.m4a    VoxCeleb 2; converted to any other format too

A recording is of the speaker whose id its grandparent folder has, wherever that is below the folder. The official lists
of trials have lines `1 id10270/x6uYqmx31kE/00001.wav id10270/8jEAjG6SegY/00008.wav`. Their speakers are not trained on.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.audio.read import read_seconds
from jaxspeech.audio.suffixes import AUDIO_SUFFIXES
from jaxspeech.errors import AudioError, ManifestError

SPEAKER = re.compile(r"id\d{5}")
# Headers are read by that many threads, as most of the time is the disk's.
THREADS = 8

Entry = dict[str, Any]
Trial = tuple[str, Path, Path]


class Recordings(NamedTuple):
    """The recordings below some folders, by their names in lists of trials, `speaker/video/number` without suffix."""

    paths: Mapping[str, Path]

    @property
    def speakers(self) -> list[str]:
        """The ids of the speakers, sorted."""
        return sorted({name.partition("/")[0] for name in self.paths})


def find_recordings(folders: Iterable[Path]) -> Recordings:
    """Finds all recordings of VoxCeleb's layout below the folders, without opening them.

    Raises:
      ManifestError: a folder does not exist, has no such recording, or has one that another folder has too.
    """
    paths: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise ManifestError(f"{folder}: no such folder")
        count = len(paths)
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES and SPEAKER.fullmatch(path.parent.parent.name):
                name = f"{path.parent.parent.name}/{path.parent.name}/{path.stem}"
                if name in paths:
                    raise ManifestError(f"{path}: is the same recording as {paths[name]}; give a folder with one copy")
                paths[name] = path.resolve()
        if len(paths) == count:
            raise ManifestError(f"{folder}: not VoxCeleb, which has recordings like id10001/1zcIwhmdeo4/00001.wav")
    return Recordings(paths)


def read_official_trials(path: Path, recordings: Recordings) -> list[Trial]:
    """Reads an official list of trials: ("1" for the same speaker or "0", one recording, the other one).

    Raises:
      ManifestError: it cannot be read, a line is no trial, or a recording is not on disk; names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    trials: list[Trial] = []
    for number, line in enumerate(lines, 1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) != 3 or parts[0] not in ("0", "1"):
            raise ManifestError(
                f"{path}:{number}: {line.strip()!r:.80} is no trial of VoxCeleb; they are lines like "
                '"1 id10270/x6uYqmx31kE/00001.wav id10270/8jEAjG6SegY/00008.wav"'
            )
        pair = []
        for name in parts[1:]:
            found = recordings.paths.get(name.rpartition(".")[0])
            if found is None:
                raise ManifestError(f"{path}:{number}: {name} is in none of the folders")
            pair.append(found)
        trials.append((parts[0], pair[0], pair[1]))
    if not trials:
        raise ManifestError(f"{path}: has no trial")
    return trials


def manifest_entries(
    recordings: Recordings, tested: Iterable[Path], *, dev_speakers: int, report: Any
) -> dict[str, list[Entry]]:
    """Reads the lengths of all recordings; those that cannot be read are reported, a line each.

    Args:
      recordings: all of them.
      tested: those in trials, whose speakers are in no other set.
      dev_speakers: how many of the other speakers are for dev, at even distances among their ids.
      report: is called with each line.

    Returns:
      The entries of train, dev and test (of the trials' recordings alone), without empty ones; "speaker" and "label"
      are the id.

    Raises:
      ManifestError: fewer than two speakers are left to train on.
    """
    used = {path.resolve() for path in tested}
    tested_speakers = {path.parent.parent.name for path in used}
    others = [speaker for speaker in recordings.speakers if speaker not in tested_speakers]
    if len(others) - dev_speakers < 2:
        what = f"{len(others)} speakers who are in no trial, {dev_speakers} of them for dev"
        raise ManifestError(f"VoxCeleb: {what}: fewer than two are left to train on; fewer lists or --dev_speakers")
    chosen = {others[(2 * i + 1) * len(others) // (2 * dev_speakers)] for i in range(dev_speakers)}
    sets: dict[str, list[Entry]] = {"train": [], "dev": [], "test": []}
    wanted = [(path, name.partition("/")[0]) for name, path in recordings.paths.items()]
    wanted = [(path, speaker) for path, speaker in wanted if speaker not in tested_speakers or path in used]
    for (path, speaker), seconds in zip(wanted, _lengths([path for path, _ in wanted]), strict=True):
        if isinstance(seconds, AudioError):
            report(f"left out: {seconds}")
            continue
        split = "test" if path in used else "dev" if speaker in chosen else "train"
        fields = {"audio_filepath": str(path), "duration": round(seconds, 4), "label": speaker, "speaker": speaker}
        sets[split].append(fields)
    return {name: entries for name, entries in sets.items() if entries}


def _lengths(paths: Sequence[Path]) -> Iterator[float | AudioError]:
    def length(path: Path) -> float | AudioError:
        try:
            return read_seconds(path)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(length, paths)
