"""Writes simulated conversations: audio, true turns (RTTM), words (SegLST) and a manifest.

    FOLDER/audio/conversation-000000.flac, rttm/conversation-000000.rttm, seglst/..., manifest.jsonl, settings.json

A conversation follows from the seed and its number alone, so that any number of processes write the same files. The
manifest's lines are written to manifest.jsonl.part in the order of their numbers, each after its files, so that a run
resumes after the last of them.
"""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import soundfile
from tqdm import tqdm

from jaxspeech.audio.convert import to_int16
from jaxspeech.data.conversation import Conversations
from jaxspeech.data.conversation_options import ConversationOptions
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.rng import generator
from jaxspeech.diarization.rttm import as_rttm
from jaxspeech.diarization.seglst import seglst_of
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.files import replace_atomically
from jaxspeech.runtime.unicode import to_json

SETTINGS, MANIFEST, PART = "settings.json", "manifest.jsonl", "manifest.jsonl.part"
FORMATS = ("flac", "wav")
# Memory for decoded utterances of each process, in bytes.
CACHE_BYTES = 2**28


class Request(NamedTuple):
    """What determines every conversation of a folder.

    Attributes:
      manifests: of utterances.
      options: how conversations are drawn.
      field: of the manifests, which names the speaker.
      sample_rate: in Hz.
      suffix: of the audio files, one of FORMATS.
      seed: determines what is drawn.
    """

    manifests: Sequence[str]
    options: ConversationOptions
    field: str = "speaker"
    sample_rate: int = 16000
    suffix: str = "flac"
    seed: int = 0

    def open(self, report: Callable[[str], None]) -> Conversations:
        """Opens the manifests; see `Conversations`."""
        manifest = Manifest(self.manifests, problems=Problems(name=", ".join(self.manifests), report=report))
        options: Any = {"sample_rate": self.sample_rate, "field": self.field, "cache_bytes": CACHE_BYTES}
        return Conversations(manifest, self.options, **options)


def write_conversations(
    request: Request, folder: Path, *, count: int, workers: int = 1, report: Callable[[str], None] = print
) -> tuple[Path, int]:
    """Writes the conversations of a folder that are not there yet.

    Args:
      request: determines them.
      folder: that they are in.
      count: number of conversations.
      workers: number of processes.
      report: is called with a line about each utterance that cannot be used.

    Returns:
      The path of the manifest, and how many conversations had been there already.

    Raises:
      ConfigError: the folder holds conversations of a different request, or they are too short for their speakers.
      ManifestError: the manifests cannot be used, or have too few speakers.
    """
    conversations = request.open(report)
    settings = _settings(request, conversations.utterances.manifest.content)
    for name in ("audio", "rttm", "seglst"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    done = _lines_done(folder, settings)
    missing = range(len(done), count)
    reported: set[str] = set()
    with tqdm(total=count, initial=min(len(done), count), desc="conversations") as bar:
        for line, problems in _written(request, conversations, folder, missing, workers):
            for problem in problems:
                if problem not in reported:
                    reported.add(problem)
                    report(problem)
            with (folder / PART).open("a", encoding="utf-8") as file:
                file.write(line)
            done.append(line)
            bar.update()
    with replace_atomically(folder / MANIFEST) as temporary:
        temporary.write_text("".join(done[:count]), encoding="utf-8")
    return folder / MANIFEST, count - len(missing)


def _settings(request: Request, content: str) -> str:
    described = request._asdict() | {"options": vars(request.options), "content": content}
    described["manifests"] = [Path(name).name for name in request.manifests]
    return json.dumps(described, indent=1, sort_keys=True) + "\n"


def _lines_done(folder: Path, settings: str) -> list[str]:
    """The lines of the conversations that are complete; a line that was cut is removed."""
    path, part = folder / SETTINGS, folder / PART
    if not path.exists():
        with replace_atomically(path) as temporary:
            temporary.write_text(settings, encoding="utf-8")
        part.unlink(missing_ok=True)
        return []
    given, asked = (_values(text) for text in (path.read_text(encoding="utf-8"), settings))
    if different := sorted(name for name in asked if given.get(name) != asked[name]):
        raise ConfigError(
            f"{folder}: holds conversations with a different {different[0]} ({given.get(different[0])}); delete it, "
            "or choose another --output"
        )
    lines = part.read_text(encoding="utf-8").splitlines(keepends=True) if part.exists() else []
    whole = [line for line in lines if line.endswith("\n")]
    if len(whole) < len(lines):
        with replace_atomically(part) as temporary:
            temporary.write_text("".join(whole), encoding="utf-8")
    return whole


def _values(text: str) -> dict[str, Any]:
    """The settings with those of the options among them."""
    try:
        values = json.loads(text)
        options = values.pop("options")
        return {**values, **options}
    except (ValueError, TypeError, KeyError):
        return {}


Written = tuple[str, list[str]]


def _written(
    request: Request, conversations: Conversations, folder: Path, numbers: range, workers: int
) -> Iterator[Written]:
    """Writes conversations, and yields the line of each with the problems that were found, in order."""
    workers = min(workers, len(numbers))
    if workers <= 1:
        for number in numbers:
            yield _write(request, conversations, folder, number), []
        return
    start = partial(_Process.start, request, folder)
    with multiprocessing.get_context("spawn").Pool(workers, initializer=start) as pool:
        yield from pool.imap(_Process.write, numbers)


class _Process:
    """State of one of several processes."""

    conversations: Conversations
    request: Request
    folder: Path
    problems: list[str]

    @classmethod
    def start(cls, request: Request, folder: Path) -> None:
        cls.request, cls.folder, cls.problems = request, folder, []
        cls.conversations = request.open(cls.problems.append)

    @classmethod
    def write(cls, number: int) -> Written:
        line = _write(cls.request, cls.conversations, cls.folder, number)
        found, cls.problems[:] = cls.problems.copy(), []
        return line, found


def _write(request: Request, conversations: Conversations, folder: Path, number: int) -> str:
    """Writes the files of a conversation and returns its line of the manifest."""
    name = f"conversation-{number:06d}"
    talk = conversations.draw(generator(request.seed, 0, number))
    audio, rttm = folder / "audio" / f"{name}.{request.suffix}", folder / "rttm" / f"{name}.rttm"
    try:
        with replace_atomically(audio) as temporary:
            # Level 0 uses integer predictors only, so that the bytes do not depend on the processor.
            level: Any = {"compression_level": 0.0} if request.suffix == "flac" else {}
            soundfile.write(temporary, to_int16(talk.samples), request.sample_rate, subtype="PCM_16", **level)
    except soundfile.SoundFileError as error:
        raise SpeechError(f"{audio}: {error}") from error
    _write_text(rttm, as_rttm(name, talk.turns))
    line = {
        "audio_filepath": os.path.relpath(audio, folder),
        "duration": len(talk.samples) / request.sample_rate,
        "rttm_filepath": os.path.relpath(rttm, folder),
        "num_speakers": len({turn.speaker for turn in talk.turns}),
    }
    if talk.utterances is not None:
        seglst = folder / "seglst" / f"{name}.seglst.json"
        _write_text(seglst, seglst_of({name: talk.utterances}))
        line["seglst_filepath"] = os.path.relpath(seglst, folder)
    return to_json(line) + "\n"


def _write_text(path: Path, text: str) -> None:
    with replace_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
