"""Makes the manifests of a folder whose subfolders are classes, in the layout of Speech Commands.

    yes/0a7c2a8d_nohash_0.wav   no/...   _background_noise_/...   validation_list.txt   testing_list.txt

A recording in validation_list.txt is for dev, one in testing_list.txt for test, all others for training. Folders whose
names begin with an underscore hold no examples.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jaxspeech.audio.read import read_seconds
from jaxspeech.audio.suffixes import AUDIO_SUFFIXES
from jaxspeech.errors import AudioError, ManifestError

LISTS = {"dev": "validation_list.txt", "test": "testing_list.txt"}


def labelled_folders(folder: Path, *, report: Any) -> dict[str, list[dict[str, Any]]]:
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
    manifests: dict[str, list[dict[str, Any]]] = {"train": []}
    for label, path in _recordings(folder):
        try:
            seconds = round(read_seconds(path), 4)
        except AudioError as error:
            report(f"left out: {error}")
            continue
        split = split_of.get(path.relative_to(folder).as_posix(), "train")
        entry = {"audio_filepath": str(path.resolve()), "duration": seconds, "label": label}
        manifests.setdefault(split, []).append(entry)
    labels = {entry["label"] for entries in manifests.values() for entry in entries}
    if len(labels) < 2:
        raise ManifestError(
            f"{folder}: recordings of {len(labels)} classes; each class needs a folder of its own, with its name"
        )
    return manifests


def _recordings(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yields each recording with the name of its class, in the order of their names."""
    for below in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))):
        for path in sorted(below.rglob("*")):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                yield below.name, path
