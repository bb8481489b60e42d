"""What the verb speak writes: sound files, their manifest, the times of words, and a page."""

import argparse
import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import Any

from jaxspeech.audio.blocks import Stored
from jaxspeech.errors import ConfigError, OutputError
from jaxspeech.inference.enhanced_files import Folder
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import write_file
from jaxspeech.inference.spoken import Spoken
from jaxspeech.inference.writers import guess_format, open_writer
from jaxspeech.report.spoken import Heard, write_page
from jaxspeech.runtime.unicode import to_json

TIMES = ("srt", "vtt", "ass", "ctm", "textgrid")
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


class SpokenFiles:
    """Writes each result as it comes, and at the end of the block what holds several.

    Args:
      flags: of the verb.
      recordings: all texts.
      sample_rate: of the sound, in Hz.
      single: whether --output is a file.

    Raises:
      ConfigError: the output of several texts is no folder, or that of one has no suffix that says how it is stored.
    """

    def __init__(self, flags: argparse.Namespace, recordings: Sequence[Recording], *, sample_rate: int, single: bool):
        path = Path(flags.output)
        single = single and (bool(path.suffix) or not path.is_dir()) and not path.is_dir()
        if single and path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"--output={flags.output}: the name must end in {', '.join(SUFFIXES)}")
        if not single and path.exists() and not path.is_dir():
            raise OutputError(f"{path}: is a file; several texts need a folder")
        self._flags, self._single = flags, single
        self._folder = Folder(path, is_file=single)
        places = [place_of(recording, i, f".{flags.format}") for i, recording in enumerate(recordings)]
        self._paths = [self._folder.path_of(place) for place in places]
        # Two lines of a manifest may name the same audio file; files of times name the results.
        pairs = zip(recordings, self._paths, strict=True)
        self._named = [recording._replace(source=str(path)) for recording, path in pairs]
        self._stored = Stored(sample_rate, 1)
        self._lines: list[str] = []
        self._heard: list[Heard] = []
        self._count = 0
        self._write_times: Callable[[Recording, Hypothesis], None] | None = None
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "SpokenFiles":
        if self._flags.times:
            output_format = self._flags.times_format or guess_format(self._flags.times, otherwise="", among=TIMES)
            if not output_format:
                raise ConfigError(f"--times={self._flags.times}: its name must end in {', '.join(TIMES)}")
            writer = open_writer(
                self._flags.times, output_format=output_format, recordings=self._named, named=not self._single
            )
            self._write_times = self._stack.enter_context(writer)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
        if error[0] is None:
            if self._flags.manifest and self._lines:
                write_file(Path(self._flags.output) / "manifest.jsonl", "".join(self._lines))
            if self._flags.report:
                write_page(self._flags.report, self._heard, model=Path(self._flags.model).name)

    def take(self, recording: Recording, spoken: Spoken) -> None:
        """Writes a result."""
        number, self._count = self._count, self._count + 1
        if self._write_times is not None:
            self._write_times(self._named[number], hypothesis_of(spoken))
        if spoken.error is not None:
            return
        path = self._paths[number]
        with self._folder.write(path, recording, self._stored) as write:
            write(spoken.samples[None])
        if self._flags.manifest:
            self._lines.append(_line(recording, spoken, path, Path(self._flags.output)))
        if self._flags.report and len(self._heard) < self._flags.report_files:
            words = [word[:3] for word in spoken.words]
            self._heard.append(Heard(path.name, spoken.text, spoken.samples, spoken.sample_rate, words))


def hypothesis_of(spoken: Spoken) -> Hypothesis:
    """The text with its times, as a recogniser would return it."""
    return Hypothesis(
        text=spoken.text,
        duration=spoken.duration,
        source=spoken.source,
        words=spoken.words,
        segments=spoken.segments,
        chars=spoken.symbols,
        error=spoken.error,
    )


def place_of(recording: Recording, number: int, suffix: str) -> PurePath:
    """The place of a result in the folder: that of the line's audio file, the text file's name, or a number."""
    named = recording.fields.get("audio_filepath")
    if isinstance(named, str) and PurePath(named).name:
        place = PurePath(named)
        inside = not place.is_absolute() and ".." not in place.parts
        return (place if inside else PurePath(place.name)).with_suffix(suffix)
    if recording.source.endswith(".txt"):
        return PurePath(Path(recording.source).with_suffix(suffix).name)
    return PurePath(f"{number + 1:05d}{suffix}")


def _line(recording: Recording, spoken: Spoken, path: Path, folder: Path) -> str:
    """The line of the manifest of results."""
    fields = {name: value for name, value in recording.fields.items() if name not in ("offset", "duration")}
    place = path.relative_to(folder).as_posix()
    return to_json(fields | {"audio_filepath": place, "duration": round(spoken.duration, 3)}) + "\n"
