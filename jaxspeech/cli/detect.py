"""Finds speech in recordings, words that are spotted, or any other class that a model knows.

  jaxspeech detect --model=vad.nemo a.wav folder
  jaxspeech detect --model=vad.jaxspeech --output=speech.rttm meeting.wav
  jaxspeech detect --model=marblenet.nemo --exact_windows --smoothing=median a.wav
  jaxspeech detect --model=wakewords.jaxspeech --onset=0.8 --min_speech=0.2 --label=alexa,jarvis a.wav
  jaxspeech detect --model=vad.nemo --onset=0.6 --offset=0.4 --min_silence=0.3 --manifest=in.jsonl --output=out.jsonl

Results go to stdout or to --output. Everything else goes to stderr: one line for each recording that cannot be used (it
is skipped), the number of files, and how much of them is speech.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.audio.smoothing import METHODS
from jaxspeech.audio.speech_segments import SCALES, SegmentOptions
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.parser import names as split_names
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, find_inputs, process, report
from jaxspeech.diarization.rttm import as_rttm as turns_as_rttm
from jaxspeech.diarization.turns import Turn
from jaxspeech.runtime.unicode import to_json

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.detection import Detected

FORMATS = ("text", "jsonl", "rttm")
SUFFIXES = {".rttm": "rttm", ".jsonl": "jsonl", ".json": "jsonl"}
# Name -> (default, help).
NUMBERS = {
    "onset": (0.5, "speech begins where its probability is above this"),
    "offset": (0.5, "speech ends where its probability is below this"),
    "pad_onset": (0.0, "seconds added before each segment"),
    "pad_offset": (0.0, "seconds added after each segment"),
    "min_speech": (0.0, "shorter segments are dropped, in seconds"),
    "min_silence": (0.0, "shorter gaps are filled, in seconds"),
}


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument(
        "--label",
        type=split_names,
        action="extend",
        help='the class to find, or several with commas; by default "speech", the second of two, or all words of a '
        "model that has a class for everything else",
    )
    for name, (default, help) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=float, default=default, help=help)
    parser.add_argument("--max_speech", type=float, help="longer segments are split, in seconds")
    parser.add_argument("--scale", choices=SCALES, default="absolute", help="of onset and offset, in each recording")
    parser.add_switch("silence_first", help="fill gaps before short segments are dropped")
    parser.add_argument("--window_seconds", type=float, help="a model of clips: length of the window around a moment")
    parser.add_switch("exact_windows", help="a model of clips: compute each window by itself, as NeMo does")
    parser.add_argument("--smoothing", choices=METHODS, help="a model of clips: combine the windows around each moment")
    parser.add_argument("--overlap", type=float, help="a model of clips: share by which smoothed windows overlap")
    parser.add_argument("--shift", type=float, help="a model of clips: seconds from an exact window to the next")
    parser.add_argument("--average", type=float, help="a model of clips: average probabilities over so many seconds")
    parser.add_argument("--output", help="a file instead of stdout")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: start, end and label of each segment, after the path unless only one audio file is given; jsonl: "
        "the manifest line's fields and pred_segments; rttm: NIST's. By default what --output ends in, else jsonl for "
        "a manifest and text for files",
    )


def run(flags: argparse.Namespace) -> int:
    """Loads the model, finds segments, writes the results and prints a summary."""
    from jaxspeech.inference.output import open_output
    from jaxspeech.pipelines.detection import class_numbers

    check_model(flags)
    recordings, named = find_inputs(flags, question="where is speech to be found?")
    suffix = Path(flags.output or "").suffix.lower()
    output_format = flags.format or SUFFIXES.get(suffix, "jsonl" if flags.manifest else "text")
    chosen: dict[str, Any] = {
        field.name: getattr(flags, field.name) for field in fields(SegmentOptions) if hasattr(flags, field.name)
    }
    classifier = jaxspeech.load(flags.model, jaxspeech.Classifier, dtype=flags.dtype)
    given = {"seconds": flags.window_seconds, "exact": flags.exact_windows or None}
    given |= {"smoothing": flags.smoothing, "overlap": flags.overlap, "shift": flags.shift, "average": flags.average}
    windows = {name: value for name, value in given.items() if value is not None}
    results = classifier.segments_iter(
        recordings,
        label=flags.label,
        postprocessing=chosen,
        windows=windows or None,
        batch_size=flags.batch_size,
        channel=flags.channel,
        on_error="skip",
    )
    names = classifier.names
    wanted = [names[number] for number in class_numbers(names, flags.label)] if names else flags.label or ["speech"]
    what = wanted[0] if len(wanted) == 1 else f"{len(wanted)} classes"
    speech, counts = 0.0, Counter[str]()
    with open_output(flags.output) as put:

        def take(recording: "Recording", found: "Detected") -> None:
            nonlocal speech
            if found.error is not None:
                return
            speech += sum(end - start for start, end in found.segments)
            counts.update(found.labels)
            put(FORMATTERS[output_format](recording, found, named))

        totals = process(recordings, results, take, done="searched", bar=flags.output is not None)
    share = speech / totals.seconds if totals.seconds else 0.0
    if len(wanted) > 1:
        report(
            f"{counts.total()} found: " + (", ".join(f"{n} {name}" for name, n in counts.most_common()) or "nothing")
        )
    report(f"{totals}; {speech:.1f} s of {what}, {share:.0%}")
    return totals.status(strict=flags.strict)


def as_text(recording: "Recording", found: "Detected", named: bool) -> str:
    """A line for each segment: start, end, label, separated by tabs; after the path if it is named."""
    del recording
    first = f"{found.source}\t" if named else ""
    return "".join(f"{first}{start:.3f}\t{end:.3f}\t{label}\n" for start, end, label, _ in _rows(found))


def as_jsonl(recording: "Recording", found: "Detected", named: bool) -> str:
    """A line of JSON: the manifest line's fields, or path and duration, and the segments."""
    del named
    audio = {"audio_filepath": recording.source, "duration": round(found.duration, 3)}
    segments = [
        {"start": round(start, 3), "end": round(end, 3), "label": label, "score": round(score, 4)}
        for start, end, label, score in _rows(found)
    ]
    return to_json(dict(recording.fields or audio) | {"pred_segments": segments}) + "\n"


def as_rttm(recording: "Recording", found: "Detected", named: bool) -> str:
    """The lines of NIST's Rich Transcription Time Marked format; times count from the start of the file."""
    del named
    first = recording.offset
    turns = [Turn(first + start, first + end, label) for start, end, label, _ in _rows(found)]
    return turns_as_rttm(Path(found.source).stem or "recording", turns)


def _rows(found: "Detected") -> list[tuple[float, float, str, float]]:
    rows = zip(found.segments, found.labels, found.scores, strict=True)
    return [(start, end, label, score) for (start, end), label, score in rows]


FORMATTERS = {"text": as_text, "jsonl": as_jsonl, "rttm": as_rttm}
