"""Writes transcripts to files: one file that grows line by line, or subtitles for each recording."""

import contextlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from jaxspeech.errors import ConfigError
from jaxspeech.inference.formats import (
    channel_cues,
    channels_to_text,
    cues_to_srt,
    cues_to_vtt,
    to_ctm,
    to_jsonl,
    to_text,
)
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.karaoke import cues_to_ass
from jaxspeech.inference.output import Put, open_output, write_file
from jaxspeech.inference.speaker_formats import to_rttm, to_seglst
from jaxspeech.inference.textgrid import to_textgrid
from jaxspeech.runtime.platform import below_common_folder
from jaxspeech.search.timestamps import TimedText

LINE_FORMATS = ("text", "jsonl")  # one recording after the other, as they are done
WORD_FORMATS = ("srt", "vtt", "ass", "ctm", "textgrid")  # all words of an audio file together
SPEAKER_FORMATS = ("seglst", "rttm")  # the same, for hypotheses with speakers
FORMATS = LINE_FORMATS + WORD_FORMATS
ONE_FILE = ("ctm", *SPEAKER_FORMATS)  # holds any number of recordings
SUFFIXES = {"textgrid": ".TextGrid"}  # as Praat spells it; other suffixes are the formats' names
SUBTITLES = {"srt": cues_to_srt, "vtt": cues_to_vtt, "ass": cues_to_ass}

Write = Callable[[Recording, Hypothesis], None]


def guess_format(output: str | None, *, otherwise: str, among: Sequence[str] = FORMATS) -> str:
    """The format that the suffix of the output's name says, if it is among these, or `otherwise`."""
    suffix = Path(output or "").suffix.removeprefix(".").lower()
    suffix = "seglst" if (output or "").lower().endswith(".seglst.json") else suffix
    suffix = {"txt": "text", "json": "jsonl"}.get(suffix, suffix)
    return suffix if suffix in among else otherwise


@contextlib.contextmanager
def open_writer(
    output: str | None, *, output_format: str, recordings: Sequence[Recording], named: bool
) -> Iterator[Write]:
    """Gives a function to call with each recording and its hypothesis; those with an error are left out.

    The function raises OutputError where the output of the whole run cannot be written; anything else that it raises
    is the fault of the one recording.

    Args:
      output: a file, see `open_output`; None is stdout; for subtitles or TextGrids of several files a
        folder, which gets one file for each, named and placed like its audio.
      output_format: `WORD_FORMATS` need hypotheses with timestamps, `SPEAKER_FORMATS` with speakers.
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
    names = recording_names(list(sources))
    if output_format == "seglst":
        with open_output(output) as put, _json_array(put) as put_objects:
            yield _word_writer(recordings, lambda source, whole: put_objects(to_seglst(whole, session=names[source])))
    elif output_format in ONE_FILE or (len(sources) <= 1 and not os.path.isdir(output or "")):
        with open_output(output) as put:
            yield _word_writer(recordings, lambda source, whole: put(_render(output_format, names[source], whole)))
    elif output is None:
        raise ConfigError(
            f"--format={output_format} of {len(sources)} files: give --output=FOLDER, which gets one for each"
        )
    else:
        folder = Path(output)
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)  # now, so that no work is done in vain
        paths = subtitle_paths(list(sources), folder, SUFFIXES.get(output_format, f".{output_format}"))
        try:
            yield _word_writer(
                recordings, lambda source, whole: write_file(paths[source], _render(output_format, "", whole))
            )
        finally:
            if made:
                with contextlib.suppress(OSError):  # unless something is in it
                    folder.rmdir()


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
        turns=None if parts[0].turns is None else tuple(sorted(turn for part in parts for turn in part.turns or ())),
        duration=max(part.duration for part in parts),
    )


def _render(output_format: str, name: str, channels: Sequence[Hypothesis]) -> str:
    """The channels of a recording in a format; formats for several recordings need its name."""
    if output_format == "rttm":
        return to_rttm(channels, recording=name)
    if output_format == "textgrid":
        return to_textgrid(*channels)
    if output_format != "ctm":
        return SUBTITLES[output_format](channel_cues(channels))
    # NIST counts channels from 1, and its tools want all of a channel before the next one.
    return "".join(
        to_ctm(
            whole.words or (),
            name=name,
            channel=str(1 + (whole.channel or 0)),
            speakers=whole.turns is not None,
        )
        for whole in channels
    )


@contextlib.contextmanager
def _json_array(put: Put) -> Iterator[Callable[[Sequence[str]], None]]:
    """Gives a function that writes objects of a JSON array, a line each; if it is never called, nothing is written."""
    written = called = False

    def put_objects(objects: Sequence[str]) -> None:
        nonlocal written, called
        called = True
        if objects:
            put((",\n" if written else "[\n") + ",\n".join(objects))
            written = True

    yield put_objects
    if called:
        put("\n]\n" if written else "[]\n")


def recording_names(sources: Sequence[str]) -> dict[str, str]:
    """The name of each recording in a file of several: that of its file, with its folders where two are the same."""
    below = map(Path, below_common_folder(sources)) if sources else ()
    longer = {source: "-".join(path.parts) for source, path in zip(sources, below, strict=True)}
    stems = Counter(Path(source).stem for source in sources)
    return {source: Path(source).stem if stems[Path(source).stem] == 1 else longer[source] for source in sources}


def subtitle_paths(sources: Sequence[str], folder: Path, suffix: str) -> dict[str, Path]:
    """The path of an output file in `folder` for each audio file; subfolders below the common one are kept.

    If two differ only in their suffix, it stays in the name: a.wav.srt, a.flac.srt.
    """
    names = dict(zip(sources, map(Path, below_common_folder(sources)), strict=True))
    stems = Counter(name.with_suffix("") for name in names.values())
    return {
        source: folder / name.parent / ((name.stem if stems[name.with_suffix("")] == 1 else name.name) + suffix)
        for source, name in names.items()
    }
