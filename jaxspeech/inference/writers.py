"""Writes transcripts to files: one file that grows line by line, or subtitles for each recording."""

import contextlib
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from jaxspeech.errors import ConfigError
from jaxspeech.files import replace_atomically
from jaxspeech.inference.formats import channel_cues, channels_to_text, to_ctm, to_jsonl, to_srt, to_text, to_vtt
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.karaoke import to_ass
from jaxspeech.inference.textgrid import to_textgrid
from jaxspeech.search.timestamps import TimedText

LINE_FORMATS = ("text", "jsonl")  # one recording after the other, as they are done
WORD_FORMATS = ("srt", "vtt", "ass", "ctm", "textgrid")  # all words of an audio file together
FORMATS = LINE_FORMATS + WORD_FORMATS
SUFFIXES = {"textgrid": ".TextGrid"}  # as Praat spells it; other suffixes are the formats' names
SUBTITLES = {"srt": to_srt, "vtt": to_vtt, "ass": to_ass}

Write = Callable[[Recording, Hypothesis], None]
Put = Callable[[str], None]


def guess_format(output: str | None, *, otherwise: str) -> str:
    """The format that the suffix of the output's name says, or `otherwise`."""
    suffix = Path(output or "").suffix.removeprefix(".").lower()
    suffix = {"txt": "text", "json": "jsonl"}.get(suffix, suffix)
    return suffix if suffix in FORMATS else otherwise


@contextlib.contextmanager
def open_writer(
    output: str | None, *, output_format: str, recordings: Sequence[Recording], named: bool
) -> Iterator[Write]:
    """Gives a function to call with each recording and its hypothesis; those with an error are left out.

    Args:
      output: a file, which appears when it is complete; None is stdout; for subtitles or TextGrids of several files a
        folder, which gets one file for each, named and placed like its audio.
      output_format: one of `LINE_FORMATS` and `WORD_FORMATS`; the latter need hypotheses with timestamps.
      recordings: all recordings that will be passed to it.
      named: whether the text format contains the recordings' paths.
    """
    if output_format in LINE_FORMATS:
        with open_output(output) as put:
            if output_format == "text" and any(recording.channel is not None for recording in recordings):
                yield _gather(recordings, lambda _, whole: put(channels_to_text(whole, named=named)), by_part=True)
            else:
                yield line_writer(put, output_format, named=named)
        return
    sources = {recording.source: recording for recording in recordings if not recording.problem}
    if output_format == "ctm" or (len(sources) <= 1 and not os.path.isdir(output or "")):
        with open_output(output) as put:
            yield _word_writer(recordings, lambda source, whole: put(_render(output_format, source, whole)))
    elif output is None:
        raise ConfigError(
            f"--format={output_format} of {len(sources)} files: give --output=FOLDER, which gets one for each"
        )
    else:
        paths = subtitle_paths(list(sources), Path(output), SUFFIXES.get(output_format, f".{output_format}"))

        def emit(source: str, whole: Sequence[Hypothesis]) -> None:
            paths[source].parent.mkdir(parents=True, exist_ok=True)
            with open_output(paths[source]) as put:
                put(_render(output_format, source, whole))

        yield _word_writer(recordings, emit)


def line_writer(put: Put, output_format: str, *, named: bool) -> Write:
    """Like `open_writer`, for `LINE_FORMATS` and for any function that takes text."""

    def write(recording: Recording, hypothesis: Hypothesis) -> None:
        if hypothesis.error is not None:
            return
        if output_format == "text":
            put(to_text(hypothesis, named=named))
        else:
            audio = {"audio_filepath": recording.source, "duration": round(hypothesis.duration, 3)}
            put(to_jsonl(hypothesis, recording.fields or audio))

    return write


def _word_writer(recordings: Sequence[Recording], emit: Callable[[str, Sequence[Hypothesis]], None]) -> Write:
    """Emits a file's transcript, that of each channel, once the last part of the file is done."""

    def joined(source: str, parts: Sequence[Hypothesis]) -> None:
        channels: defaultdict[int | None, list[Hypothesis]] = defaultdict(list)
        for part in parts:
            channels[part.channel].append(part)
        emit(source, [_join(whole) for whole in channels.values()])

    return _gather(recordings, joined, by_part=False)


def _gather(
    recordings: Sequence[Recording], emit: Callable[[str, Sequence[Hypothesis]], None], *, by_part: bool
) -> Write:
    """Emits the hypotheses of a file, or of each part of it, together; a part that is given twice counts once."""

    def whole(recording: Recording) -> tuple[Any, ...]:
        return (recording.source, *((recording.offset, recording.duration) if by_part else ()))

    missing = Counter(map(whole, recordings))
    parts: defaultdict[tuple[Any, ...], dict[tuple[Any, ...], Hypothesis]] = defaultdict(dict)

    def write(recording: Recording, hypothesis: Hypothesis) -> None:
        key = whole(recording)
        missing[key] -= 1
        if hypothesis.error is None:
            part = recording.offset, recording.duration, recording.channel
            parts[key][part] = hypothesis._replace(duration=recording.offset + hypothesis.duration)
        if not missing[key] and key in parts:
            emit(recording.source, list(parts.pop(key).values()))

    return write


def _join(parts: Sequence[Hypothesis]) -> Hypothesis:
    """Joins the parts of one file, with spans in order of time; its duration counts from the start of the file."""

    def spans(name: str) -> tuple[TimedText, ...]:
        return tuple(
            sorted((span for part in parts for span in getattr(part, name) or ()), key=lambda span: span.start)
        )

    return parts[0]._replace(
        words=spans("words"),
        segments=spans("segments"),
        chars=spans("chars"),
        duration=max(part.duration for part in parts),
    )


def _render(output_format: str, source: str, channels: Sequence[Hypothesis]) -> str:
    if output_format == "textgrid":
        return to_textgrid(*channels)
    if output_format != "ctm":
        return SUBTITLES[output_format](channel_cues(channels))
    # NIST counts channels from 1, and its tools want all of a channel before the next one.
    return "".join(
        to_ctm(whole.words or (), name=Path(source).stem, channel=str(1 + (whole.channel or 0))) for whole in channels
    )


def subtitle_paths(sources: Sequence[str], folder: Path, suffix: str) -> dict[str, Path]:
    """The path of an output file in `folder` for each audio file; subfolders below the common one are kept.

    If two differ only in their suffix, it stays in the name: a.wav.srt, a.flac.srt.
    """
    absolute = {source: os.path.abspath(source) for source in sources}
    shared = os.path.commonpath([os.path.dirname(path) for path in absolute.values()])
    names = {source: Path(os.path.relpath(path, shared)) for source, path in absolute.items()}
    stems = Counter(name.with_suffix("") for name in names.values())
    return {
        source: folder / name.parent / ((name.stem if stems[name.with_suffix("")] == 1 else name.name) + suffix)
        for source, name in names.items()
    }


@contextlib.contextmanager
def open_output(path: str | Path | None) -> Iterator[Put]:
    """Gives a function that writes text to a file, which appears when it is complete; None: to stdout.

    If the process is interrupted, the text written so far is kept under the file's name plus ".part".
    """
    if path is None:
        yield _onto(None)
        return
    path = Path(os.path.realpath(path))  # a symbolic link is kept
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder; --output is a file")
    if path.exists() and not path.is_file():  # a pipe or a device cannot be replaced
        with path.open("w", encoding="utf-8", errors="surrogateescape") as stream:
            yield _onto(stream)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as part:
        try:
            with part.open("w", encoding="utf-8", errors="surrogateescape") as stream:
                yield _onto(stream)
        except (KeyboardInterrupt, SystemExit):
            if part.stat().st_size:
                kept = path.with_name(f"{path.name}.part")
                os.replace(part, kept)
                print(f"interrupted: the text written so far is in {kept}", file=sys.stderr)
            raise


def _onto(stream: TextIO | None) -> Put:
    """A function that writes to a stream and flushes; None: stdout."""
    return lambda text: print(text, end="", flush=True, file=stream)
