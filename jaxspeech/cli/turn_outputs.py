"""Writes who spoke when: as lines, RTTM, JSON, SegLST, and as pictures."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxspeech.diarization.rttm import as_rttm
from jaxspeech.diarization.seglst import seglst_of
from jaxspeech.diarization.turns import Turn, Utterance, one_word
from jaxspeech.errors import ConfigError
from jaxspeech.inference.output import Put, open_output, write_file
from jaxspeech.report.timeline import timeline_html, timeline_svg
from jaxspeech.runtime.unicode import to_json

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.diarized import Diarized

FORMATS = ("text", "jsonl", "rttm", "seglst")
# What --output ends in, the longest first.
SUFFIXES = {".seglst.json": "seglst", ".rttm": "rttm", ".jsonl": "jsonl", ".json": "jsonl"}
PICTURES = (".html", ".svg")
Write = Callable[["Recording", "Diarized"], None]


def guess_format(output: str | None, *, otherwise: str) -> str:
    """Returns the format that the name of the output ends in."""
    name = Path(output or "").name.lower()
    return next((found for suffix, found in SUFFIXES.items() if name.endswith(suffix)), otherwise)


@contextlib.contextmanager
def turn_writer(path: str | None, *, output_format: str, named: bool) -> Iterator[Write]:
    """Gives a function that writes one result; the file appears when it is complete.

    Args:
      path: of the file; None: stdout.
      output_format: one of `FORMATS`.
      named: whether lines of text begin with the recording's path.
    """
    sessions: dict[str, list[Utterance]] = {}
    with open_output(path) as put:

        def write(recording: "Recording", found: "Diarized") -> None:
            if output_format == "seglst":
                _collect(sessions, recording, found)
            else:
                _write(put, output_format, recording, found, named)

        yield write
        if output_format == "seglst":
            put(seglst_of(sessions))


def _write(put: Put, output_format: str, recording: "Recording", found: "Diarized", named: bool) -> None:
    if output_format == "rttm":
        put(as_rttm(session_name(found.source), in_file(recording, found)))
    elif output_format == "jsonl":
        put(_json(recording, found))
    else:
        path = f"{found.source}\t" if named else ""
        put("".join(f"{path}{start:.3f}\t{end:.3f}\t{speaker}\n" for start, end, speaker in found.turns))


def _json(recording: "Recording", found: "Diarized") -> str:
    """A line of JSON: the manifest line's fields, or path and duration, and the turns."""
    audio = {"audio_filepath": recording.source, "duration": round(found.duration, 3)}
    turns = []
    for number, (start, end, speaker) in enumerate(found.turns):
        turn = {"start": round(start, 3), "end": round(end, 3), "speaker": speaker}
        if number < len(found.confidences):
            turn["confidence"] = round(found.confidences[number], 4)
        turns.append(turn)
    speakers = list(dict.fromkeys(turn.speaker for turn in found.turns))
    return to_json(dict(recording.fields or audio) | {"pred_speakers": speakers, "pred_turns": turns}) + "\n"


def _collect(sessions: dict[str, list[Utterance]], recording: "Recording", found: "Diarized") -> None:
    """Adds the turns of a recording, of which nobody knows the words."""
    said = [Utterance(*turn, "") for turn in in_file(recording, found)]
    sessions.setdefault(session_name(found.source), []).extend(said)


def in_file(recording: "Recording", found: "Diarized") -> list[Turn]:
    """Returns the turns with times that count from the start of the file, as in the formats of scoring tools."""
    first = recording.offset
    return [Turn(first + start, first + end, speaker) for start, end, speaker in found.turns]


def session_name(source: str) -> str:
    """Returns the name of a recording in RTTM and SegLST: that of its file, without the suffix."""
    return one_word(Path(source).stem or "recording") if source != "-" else "recording"


def picture_paths(picture: str | None, recordings: Sequence["Recording"]) -> list[Path] | None:
    """Returns the file of each recording's picture; None if none is asked for.

    Raises:
      ConfigError: the name is of one picture, but there are several recordings, or is of no picture.
    """
    if picture is None:
        return None
    path = Path(picture)
    if path.suffix.lower() in PICTURES:
        if len(recordings) != 1:
            raise ConfigError(
                f"--picture={picture} is one picture, but there are {len(recordings)} recordings: name a folder"
            )
        if path.is_dir():
            raise ConfigError(f"--picture={picture}: is a folder")
        return [path]
    if path.suffix and not path.is_dir():
        raise ConfigError(f"--picture={picture}: pictures are .html or .svg; a name without a suffix is a folder")
    names: list[str] = []
    for recording in recordings:
        stem = Path(recording.source).stem or "recording"
        same = sum(name == stem or name.startswith(f"{stem}-") for name in names)
        names.append(f"{stem}-{same + 1}" if stem in names else stem)
    return [path / f"{name}.html" for name in names]


def write_picture(path: Path, recording: "Recording", found: "Diarized", *, channel: "int | str" = "mean") -> None:
    """Writes the picture of one recording; a page has its sound too.

    Raises:
      SpeechError: the recording cannot be read again.
      OSError: the picture cannot be written.
    """
    title, options = Path(found.source).name, {"duration": found.duration, "confidences": found.confidences}
    if path.suffix.lower() == ".svg":
        write_file(path, timeline_svg(title, found.turns, **options))
        return
    from jaxspeech.inference.read_ahead import read_recording

    rate = 16000
    samples = None
    if recording.source != "-":  # standard input cannot be read again
        samples = read_recording(recording, sample_rate=rate, channel=channel)  # pyright: ignore[reportArgumentType]
        if isinstance(samples, Exception):
            raise samples
    write_file(path, timeline_html(title, found.turns, samples=samples, sample_rate=rate, **options))
