"""Makes the manifests of a folder whose subfolders are classes, in the layout of Speech Commands.

    yes/0a7c2a8d_nohash_0.wav   no/...   _background_noise_/...   validation_list.txt   testing_list.txt

A recording in validation_list.txt is for dev, one in testing_list.txt for test, all others for training. Folders whose
names begin with an underscore hold no examples.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from jaxspeech.audio.read import read_seconds
from jaxspeech.audio.suffixes import AUDIO_SUFFIXES
from jaxspeech.errors import AudioError, ManifestError

Entry = dict[str, Any]

LISTS = {"dev": "validation_list.txt", "test": "testing_list.txt"}
NOISES = "_background_noise_"
# The task of twelve classes: these words, "unknown" for all others, and "silence".
TEN_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE = "unknown", "silence"
# Length of the parts of noises that are silence, and where every tenth of them goes.
PART_SECONDS = 1.0
SPLITS_OF_PARTS = {8: "dev", 9: "test"}


def labelled_folders(folder: Path, *, report: Any) -> dict[str, list[Entry]]:
    """Reads the lengths of all recordings; those that cannot be read are reported, a line each.

    Returns:
      The entries of the manifests by their names: train, and dev and test where there are lists; paths are absolute.

    Raises:
      ManifestError: there is no folder, or fewer than two classes are in it.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder")
    split_of = {}
    for split, name in LISTS.items():
        if (folder / name).exists():
            split_of |= dict.fromkeys((folder / name).read_text(encoding="utf-8").split(), split)
    manifests: dict[str, list[Entry]] = {"train": []}
    for entry in recordings_of_folders(folder, report=report):
        place = Path(entry["audio_filepath"]).relative_to(folder.resolve()).as_posix()
        manifests.setdefault(split_of.get(place, "train"), []).append(entry)
    labels = {entry["label"] for entries in manifests.values() for entry in entries}
    if len(labels) < 2:
        raise ManifestError(
            f"{folder}: recordings of {len(labels)} classes; each class needs a folder of its own, with its name"
        )
    if not split_of:
        report(f"{folder}: has no validation_list.txt or testing_list.txt; all recordings are for training")
    return manifests


def recordings_of_folders(folder: Path, *, report: Any, leave_out: Collection[str] = ()) -> Iterator[Entry]:
    """Yields an entry for each recording below a folder of its class, in the order of their names.

    Args:
      folder: with a folder for each class.
      report: is called with a line for each recording that cannot be read.
      leave_out: names of folders that are no classes, like those that begin with an underscore or a dot.
    """
    classes = (path for path in folder.resolve().iterdir() if path.is_dir() and not path.name.startswith(("_", ".")))
    for below in sorted(path for path in classes if path.name not in leave_out):
        for path in sorted(below.rglob("*")):
            if path.suffix.lower() not in AUDIO_SUFFIXES:
                continue
            try:
                seconds = round(read_seconds(path), 4)
            except AudioError as error:
                report(f"left out: {error}")
                continue
            yield {"audio_filepath": str(path), "duration": seconds, "label": below.name}


def twelve_classes(folder: Path, manifests: dict[str, list[Entry]], *, report: Any) -> dict[str, list[Entry]]:
    """Turns the manifests of Speech Commands into those of its task of twelve classes.

    All words but ten are "unknown". Each second of the noises is an example of "silence", of which one in ten is for
    dev and one for test.

    Raises:
      ManifestError: one of the ten words, or the folder of noises, is not there.
    """
    found = {entry["label"] for entries in manifests.values() for entry in entries}
    noises = sorted(path for path in (folder / NOISES).glob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    missing = [word for word in TEN_WORDS if word not in found] + ([] if noises else [NOISES])
    if missing:
        raise ManifestError(
            f"{folder}: not Speech Commands: the folder {missing[0]!r} is missing or holds no recording"
        )
    twelve = {
        split: [entry | {"label": entry["label"] if entry["label"] in TEN_WORDS else UNKNOWN} for entry in entries]
        for split, entries in manifests.items()
    }
    number = 0
    for path in noises:
        try:
            seconds = read_seconds(path)
        except AudioError as error:
            report(f"left out: {error}")
            continue
        for part in range(int(seconds / PART_SECONDS)):
            times = {"offset": part * PART_SECONDS, "duration": PART_SECONDS}
            entry = {"audio_filepath": str(path.resolve()), **times, "label": SILENCE}
            twelve.setdefault(SPLITS_OF_PARTS.get(number % 10, "train"), []).append(entry)
            number += 1
    return twelve
