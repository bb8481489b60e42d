"""Transcripts to files: one that grows line by line, or subtitles for each recording."""

import contextlib
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jaxspeech.errors import ConfigError
from jaxspeech.inference.formats import to_ctm, to_jsonl, to_srt, to_text, to_vtt
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.search.timestamps import TimedText

LINE_FORMATS = ("text", "jsonl")  # one recording after the other, as they come
WORD_FORMATS = ("srt", "vtt", "ctm")  # all words of a file together
SUBTITLES = {"srt": to_srt, "vtt": to_vtt}

Write = Callable[[Recording, Hypothesis], None]
Put = Callable[[str], None]


@contextlib.contextmanager
def open_writer(
    output: str | None, *, output_format: str, recordings: Sequence[Recording], named: bool
) -> Iterator[Write]:
    """A function that takes each recording with its hypothesis; those with an error are left out.

    Args:
      output: a file, written whole or not at all; None is stdout; for subtitles of several files a folder, which gets
        a file for each, named and placed like its audio.
      output_format: one of `LINE_FORMATS` and `WORD_FORMATS`; the latter need hypotheses with timestamps.
      recordings: all that will come.
      named: whether the text format tells the recordings' paths.
    """
    if output_format in LINE_FORMATS:
        with open_output(output) as put:
            yield _line_writer(put, output_format, named=named)
        return
    sources = {recording.source: recording for recording in recordings if not recording.problem}
    if output_format == "ctm" or (len(sources) <= 1 and not os.path.isdir(output or "")):
        with open_output(output) as put:
            yield _word_writer(recordings, lambda source, words: put(_render(output_format, source, words)))
    elif output is None:
        raise ConfigError(f"--format={output_format} of {len(sources)} files: give --output=FOLDER for a file of each")
    else:
        paths = subtitle_paths(list(sources), Path(output), f".{output_format}")

        def emit(source: str, words: list[TimedText]) -> None:
            paths[source].parent.mkdir(parents=True, exist_ok=True)
            with open_output(paths[source]) as put:
                put(_render(output_format, source, words))

        yield _word_writer(recordings, emit)


def _line_writer(put: Put, output_format: str, *, named: bool) -> Write:
    def write(recording: Recording, hypothesis: Hypothesis) -> None:
        if hypothesis.error is not None:
            return
        if output_format == "text":
            put(to_text(hypothesis, named=named))
        else:
            audio = {"audio_filepath": recording.source, "duration": round(hypothesis.duration, 3)}
            put(to_jsonl(hypothesis, recording.fields or audio))

    return write


def _word_writer(recordings: Sequence[Recording], emit: Callable[[str, list[TimedText]], None]) -> Write:
    """Passes on a file's words, in the order of time, once its last recording has come."""
    missing = Counter(recording.source for recording in recordings)
    words: defaultdict[str, list[TimedText]] = defaultdict(list)

    def write(recording: Recording, hypothesis: Hypothesis) -> None:
        source = recording.source
        missing[source] -= 1
        if hypothesis.error is None:
            words[source].extend(hypothesis.words or ())
        if not missing[source] and source in words:
            emit(source, sorted(words.pop(source), key=lambda word: word.start))

    return write


def _render(output_format: str, source: str, words: list[TimedText]) -> str:
    return to_ctm(words, name=Path(source).stem) if output_format == "ctm" else SUBTITLES[output_format](words)


def subtitle_paths(sources: Sequence[str], folder: Path, suffix: str) -> dict[str, Path]:
    """A file in `folder` for each audio file, below the folders that they do not share.

    Where two differ only in their suffix, it stays in the name: a.wav.srt, a.flac.srt.
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
    """A function that writes text to a file, which appears under its name when it is complete; to stdout for None."""
    if path is None:
        yield lambda text: print(text, end="", flush=True)
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        part = Path(folder, path.name)
        with part.open("w", encoding="utf-8") as stream:
            yield lambda text: print(text, end="", flush=True, file=stream)
        os.replace(part, path)
