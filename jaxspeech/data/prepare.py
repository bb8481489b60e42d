"""Downloads published speech corpora and writes their manifests; `jaxspeech prepare` is the command.

Interrupted downloads are resumed.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jaxspeech.audio.read import read_seconds
from jaxspeech.data.download import download, extract
from jaxspeech.data.manifest import write_manifest
from jaxspeech.errors import SpeechError, did_you_mean


class Source(NamedTuple):
    """A published archive, with its size in bytes and its MD5 where these are published."""

    url: str
    size: int | None = None
    md5: str | None = None


# GitHub generates this archive on request: its bytes may change, its 3000 recordings do not.
FSDD = Source("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz")
FSDD_RECORDINGS = 3000
FSDD_UNHEARD = "nicolas"
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# https://www.openslr.org/12, with its md5sum.txt.
OPENSLR = "https://www.openslr.org/resources/12"
LIBRISPEECH = {
    name: Source(f"{OPENSLR}/{name}.tar.gz", size, md5)
    for name, size, md5 in (
        ("dev-clean", 337926286, "42e2234ba48799c1f50f24a7926300a1"),
        ("dev-other", 314305928, "c8d0bcc9cca99d4f8b62fcc847357931"),
        ("test-clean", 346663984, "32fa31d27d2e1cad72775fee3f4849a9"),
        ("test-other", 328757843, "fb5a50374b501bb3bac4815ee91d3135"),
        ("train-clean-100", 6387309499, "2a93770f6d5c6c964bc36631d331a522"),
        ("train-clean-360", 23049477885, "c0e676e450a7ff2f54aeade5171606fa"),
        ("train-other-500", 30593501606, "d1a0fd59409feb2c614ce4d30c387708"),
    )
}

# Chapters of train-clean-100, as speaker-chapter:n, of each of which the first n utterances are taken.
MINI_PART = "train-clean-100"
MINI_TRAIN = """
19-198:38 19-227:73 26-495:91 26-496:27 27-123349:59 27-124992:79 32-21631:20 118-47824:87 163-122947:99
226-122538:35 460-172359:100 669-129074:32 1088-134315:59 1088-134318:22 1737-146161:18 1867-154075:46
1898-145715:51 1970-28415:40 2136-5147:41 2416-152139:73 3242-8112:45 3526-176653:55 3664-178355:37
3947-13262:52 4640-19188:41 6272-70171:42 7312-92432:26 7367-86737:119 8629-261139:77
"""
MINI_DEV = "4680-16042:40 6848-252323:41"


def prepare_fsdd(folder: Path) -> None:
    """Prepare spoken digits: five speakers, split by their README (recordings 0 to 4 for testing), and one held out."""

    def target(name: PurePosixPath) -> str | None:
        return f"audio/{name.name}" if name.parent.name == "recordings" and name.suffix == ".wav" else None

    _unpack(FSDD, folder, target, expected=FSDD_RECORDINGS)
    manifests: dict[str, list[dict[str, Any]]] = {"train": [], "dev": [], "unheard": []}
    for path in sorted((folder / "audio").glob("*.wav")):
        digit, speaker, number = path.stem.split("_")
        split = "unheard" if speaker == FSDD_UNHEARD else "dev" if int(number) < 5 else "train"
        manifests[split].append(_entry(folder, path, text=DIGITS[int(digit)], speaker=f"fsdd-{speaker}"))
    _write(folder, manifests)


def prepare_librispeech_mini(folder: Path) -> None:
    """Prepare 5.4 hours by 25 speakers for training and 0.3 hours by two others, all from train-clean-100."""
    chapters = {split: _parse_chapters(text) for split, text in (("train", MINI_TRAIN), ("dev", MINI_DEV))}
    wanted = chapters["train"] | chapters["dev"]

    def target(name: PurePosixPath) -> str | None:
        chapter, _, number = name.stem.rpartition("-")
        chosen = name.stem.removesuffix(".trans") in wanted or (chapter in wanted and int(number) < wanted[chapter])
        return f"audio/{name.parent.parent.name}/{name.name}" if chosen else None

    _unpack(LIBRISPEECH[MINI_PART], folder, target, expected=sum(wanted.values()) + len(wanted))
    spoken = list(_librispeech_entries(folder, folder / "audio"))
    _write(folder, {split: [e for e in spoken if e["id"].rpartition("-")[0] in chapters[split]] for split in chapters})


def prepare_librispeech(folder: Path, parts: Sequence[str]) -> None:
    """Prepare parts of LibriSpeech, with a manifest for each."""
    for part in parts:
        if part not in LIBRISPEECH:
            raise SpeechError(f"--parts: LibriSpeech has no {part!r}{did_you_mean(part, LIBRISPEECH)}")
    for part in parts:
        if (folder / f"{part}.jsonl").exists():
            continue

        def target(name: PurePosixPath, root: str = part) -> str | None:
            below = name.parts[name.parts.index(root) :] if root in name.parts else ()
            return "/".join(below) if name.suffix == ".flac" or name.name.endswith(".trans.txt") else None

        _unpack(LIBRISPEECH[part], folder, target)
        _write(folder, {part: list(_librispeech_entries(folder, folder / part))})


def _unpack(source: Source, folder: Path, target: Callable[[PurePosixPath], str | None], expected: int = 1) -> None:
    archive = download(source.url, folder / source.url.rpartition("/")[2], size=source.size, md5=source.md5)
    found = extract(archive, folder, target)
    if found < expected:
        raise SpeechError(
            f"{archive}: holds {found} of the {expected} files expected; delete it and run the command again"
        )
    archive.unlink()


def _librispeech_entries(folder: Path, root: Path) -> Iterator[dict[str, Any]]:
    for transcripts in sorted(root.rglob("*.trans.txt")):
        for line in transcripts.read_text(encoding="utf-8").splitlines():
            name, _, text = line.partition(" ")
            path = transcripts.with_name(f"{name}.flac")
            if path.exists():
                yield _entry(folder, path, text=text.lower(), speaker=f"ls-{name.partition('-')[0]}")


def _entry(folder: Path, path: Path, *, text: str, speaker: str) -> dict[str, Any]:
    return {
        "audio_filepath": path.relative_to(folder).as_posix(),
        "duration": round(read_seconds(path), 4),
        "text": text,
        "speaker": speaker,
        "id": path.stem,
    }


def _write(folder: Path, manifests: dict[str, list[dict[str, Any]]]) -> None:
    for name, entries in manifests.items():
        if not entries:
            raise SpeechError(f"{folder}: nothing was found for {name}.jsonl")
        write_manifest(folder / f"{name}.jsonl", entries)
        hours = sum(entry["duration"] for entry in entries) / 3600
        print(f"{folder / name}.jsonl: {len(entries)} utterances, {hours:.2f} hours")


def _parse_chapters(text: str) -> dict[str, int]:
    return {chapter: int(count) for chapter, _, count in (word.partition(":") for word in text.split())}


if __name__ == "__main__":
    raise SystemExit("this command is `jaxspeech prepare` now")
