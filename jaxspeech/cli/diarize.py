"""Finds who spoke when in recordings, with a model of the activity of speakers, or by clustering voices.

  jaxspeech diarize --model=sortformer.nemo --rttm=out.rttm meeting.wav
  jaxspeech diarize --model=sortformer.nemo --embedder=titanet.nemo --picture=meeting.html meeting.wav
  jaxspeech diarize --model=titanet.nemo --vad=vad.nemo --num_speakers=3 --rttm=out.rttm folder
  jaxspeech diarize --model=sortformer.nemo --exclusive --output=out.json meeting.wav
  jaxspeech diarize --model=titanet.nemo --speech=reference.rttm --rttm=out.rttm meeting.wav
  jaxspeech diarize --model=titanet.nemo --enrolled=voices.npz meeting.wav
  arecord -f S16_LE -r 16000 -t raw | jaxspeech diarize --model=live.nemo --realtime -

The kind of --model decides. Sortformer, a diarization model, also finds speech of several at a time; with --embedder,
a speaker model, voices are recognised over all of a recording, and there may be more speakers than the model has. A
speaker model alone clusters the voices of the speech that --vad finds, or whatever is loud, and gives each moment to
one speaker. With --enrolled, speakers whose voices are known have their names.

Turns go to stdout, a line each with start, end and speaker, after the path unless only one audio file is given; or to
--rttm and --output. Everything else goes to stderr: one line for each recording that cannot be used (it is skipped),
and the number of files.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, counted, find_inputs, process, report
from jaxspeech.cli.speakers import add_enrolled, check_threshold, with_names
from jaxspeech.errors import ConfigError

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.diarized import Diarized

# Copies of the lists in turn_outputs.py and activity_turns.py, which are too slow to import for --help.
FORMATS = ("text", "jsonl", "rttm", "seglst")
SETTINGS = ("v1-dihard3", "v1-callhome", "v2-dihard3", "v2-callhome")
# Name -> help.
POSTPROCESSING = {
    "onset": "a turn begins where the probability is above this; 0.5 by default",
    "offset": "a turn ends where the probability is below this; 0.5 by default",
    "pad_onset": "seconds added before each turn",
    "pad_offset": "seconds added after each turn",
    "min_speech": "shorter turns are dropped, in seconds",
    "min_silence": "shorter gaps between turns of a speaker are filled, in seconds",
}


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument("--embedder", help="a speaker model, for a diarization model: .jaxspeech, .nemo, or on the Hub")
    parser.add_argument(
        "--vad", help="a model that finds speech, for a speaker model: .jaxspeech, .nemo, or on the Hub"
    )
    parser.add_argument("--speech", metavar="IN.rttm", help="where speech is, if that is known: the turns of a file")
    parser.add_argument("--num_speakers", type=at_least(1), help="if it is known")
    parser.add_argument("--min_speakers", type=at_least(1), help="if the number is not known; 1 by default")
    help = "if the number is not known; for a speaker model 8 by default"
    parser.add_argument("--max_speakers", type=at_least(1), help=help)
    add_enrolled(parser)
    parser.add_switch("exclusive", help="at any moment at most one speaker, the more probable one")
    help = "published settings of a diarization model, named after its version and the data"
    parser.add_argument("--postprocessing", choices=SETTINGS, help=help)
    for name, help in POSTPROCESSING.items():
        parser.add_argument(f"--{name}", type=float, help=f"diarization models: {help}")
    parser.add_argument("--rttm", metavar="OUT.rttm", help="a file in RTTM instead of lines on stdout")
    parser.add_argument("--output", metavar="OUT", help="a file instead of lines on stdout")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of --output, or of stdout. text: start, end and speaker of each turn; jsonl: the manifest line's fields, "
        "pred_speakers and pred_turns with confidences; rttm: NIST's; seglst: turns without words. By default what "
        "--output ends in (.json, .rttm, .seglst.json), else jsonl for a manifest and text for files",
    )
    parser.add_switch(
        "realtime",
        help="find turns while they are spoken: files are read at the pace of the speech, and the path - is standard "
        "input, as WAV or as 16-bit samples without a header. Needs a Sortformer for live audio",
    )
    parser.add_argument(
        "--latency", type=float, help="--realtime: a published one, 0.32, 1.04, 10 or 30.4 s; the model's by default"
    )
    help = "--realtime: sample rate of standard input without a header, in Hz; the model's by default"
    parser.add_argument("--sample_rate", type=at_least(1), help=help)
    help = "a timeline: FILE.html to look at and listen to, FILE.svg to look at; a folder for several recordings"
    parser.add_argument("--picture", metavar="PICTURE", help=help)


def run(flags: argparse.Namespace) -> int:
    """Loads the models, finds the turns, writes them and prints a summary."""
    from jaxspeech.cli.turn_outputs import picture_paths, turn_writer, write_picture
    from jaxspeech.diarization.turns import speakers_of

    check_model(flags)
    outputs = _outputs(flags)
    recordings, named = find_inputs(flags, question="whose turns are to be found?")
    pictures = picture_paths(flags.picture, recordings)
    speech = _speech(flags, recordings)
    diarizer, more = _diarizer(flags)
    if flags.enrolled:
        diarizer = with_names(diarizer, flags.enrolled, threshold=flags.threshold)
    # On stdout turns appear as soon as they are over.
    grows = flags.realtime and outputs == [(None, "text")]
    if flags.realtime:
        results = _live(flags, diarizer, recordings, more, show=_shower(named) if grows else lambda *_: None)
    else:
        results = diarizer.diarize_iter(
            recordings,
            num_speakers=flags.num_speakers,
            min_speakers=flags.min_speakers,
            max_speakers=flags.max_speakers,
            exclusive=flags.exclusive,
            batch_size=flags.batch_size,
            channel=flags.channel,
            speech=speech,
            on_error="skip",
            **more,
        )
    turns = speakers = done = 0
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(turn_writer(path, output_format=output_format, named=named))
            for path, output_format in ([] if grows else outputs)
        ]

        def take(recording: "Recording", found: "Diarized") -> None:
            nonlocal turns, speakers, done
            place, done = done, done + 1
            if found.error is not None:
                return
            turns, speakers = turns + len(found.turns), speakers + len(speakers_of(found.turns))
            for write in writers:
                write(recording, found)
            if pictures is not None:
                write_picture(pictures[place], recording, found, channel=flags.channel)

        totals = process(recordings, results, take, done="diarized", bar=bool(flags.rttm or flags.output))
    report(f"{totals}; {counted(turns, 'turn')} of {counted(speakers, 'speaker')}")
    return totals.status(strict=flags.strict)


def _outputs(flags: argparse.Namespace) -> list[tuple[str | None, str]]:
    """Returns the path and format of each output, after checking the options that contradict each other.

    Raises:
      ConfigError: some do.
    """
    from jaxspeech.cli.turn_outputs import guess_format
    from jaxspeech.diarization.speaker_numbers import speaker_numbers

    try:
        speaker_numbers(flags.num_speakers, flags.min_speakers, flags.max_speakers)
    except ConfigError as error:
        raise ConfigError(f"--{str(error).replace('leave out ', 'leave out --')}") from None
    check_threshold(flags)
    if flags.realtime:
        for name in ("num_speakers", "min_speakers", "max_speakers", "exclusive", "embedder", "speech", "enrolled"):
            if getattr(flags, name):
                raise ConfigError(f"--{name} needs whole recordings: leave out --realtime")
    elif flags.latency is not None or flags.sample_rate is not None:
        given = "latency" if flags.latency is not None else "sample_rate"
        raise ConfigError(f"--{given} is for live audio: add --realtime")
    if flags.vad and flags.speech:
        raise ConfigError("--vad finds the speech that --speech says: give one of them")
    if flags.format and flags.rttm and not flags.output:
        raise ConfigError("--format is that of --output; --rttm is always RTTM")
    if flags.rttm and flags.output and Path(flags.rttm).resolve() == Path(flags.output).resolve():
        raise ConfigError(f"--rttm and --output are the same file, {flags.output}")
    found: list[tuple[str | None, str]] = [(flags.rttm, "rttm")] if flags.rttm else []
    if flags.output or not flags.rttm:
        otherwise = "jsonl" if flags.output and flags.manifest else "text"
        found.append((flags.output, flags.format or guess_format(flags.output, otherwise=otherwise)))
    return found


def _live(flags: argparse.Namespace, diarizer: Any, recordings: Any, more: Any, *, show: Any) -> Any:
    """Diarizes recordings while they are spoken.

    Raises:
      ConfigError: the model cannot run live.
    """
    from functools import partial

    from jaxspeech.inference.read_ahead import read_recording
    from jaxspeech.pipelines.live_diarizing import diarize_live

    if not isinstance(diarizer, jaxspeech.Diarizer):
        raise ConfigError(f"--realtime is for a diarization model; {flags.model} is a speaker model")
    read = partial(read_recording, sample_rate=diarizer.task.inference.sample_rate, channel=flags.channel)
    streams = diarizer.streams(1, latency=flags.latency, **more)
    options: Any = {"pipe_rate": flags.sample_rate, "pipe_channel": flags.channel}
    return diarize_live(streams, recordings, read, show=show, **options)


def _shower(named: bool) -> Any:
    """Returns the function that prints the turns that are over."""

    def show(recording: "Recording", turns: Any) -> None:
        path = f"{recording.source}\t" if named else ""
        for start, end, speaker in turns:
            print(f"{path}{start:.3f}\t{end:.3f}\t{speaker}", flush=True)

    return show


def _speech(flags: argparse.Namespace, recordings: "list[Recording]") -> Any:
    """Reads --speech; the only recording of a file is the only one that is diarized, whatever their names are."""
    from jaxspeech.diarization.rttm import read_rttm

    if flags.speech is None:
        return None
    found = read_rttm(flags.speech)
    if len(found) == len(recordings) == 1:
        return {recordings[0].source: next(iter(found.values()))}
    return found


def _diarizer(flags: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Loads the models; returns the diarizer and the options that its kind has.

    Raises:
      ConfigError: --model is of another kind, or there are options for one of another kind.
    """
    from jaxspeech.loading import load_any
    from jaxspeech.pipelines.doors import DOORS

    settings = {name: getattr(flags, name) for name in POSTPROCESSING if getattr(flags, name) is not None}
    model = load_any(flags.model, dtype=flags.dtype)
    if isinstance(model, jaxspeech.Diarizer):
        if flags.vad:
            raise ConfigError(f"--vad is for a speaker model; {flags.model} is a diarization model, which finds speech")
        if flags.embedder:
            model.embedder = jaxspeech.load(flags.embedder, jaxspeech.Embedder, dtype=flags.dtype)
        if flags.postprocessing:
            settings["settings"] = flags.postprocessing
        return model, {"postprocessing": settings}
    if not isinstance(model, jaxspeech.Embedder):
        noun = DOORS[type(model.task.inference)].noun
        raise ConfigError(f"{flags.model} is {noun}; diarize takes a diarization model, or one of speakers")
    if flags.embedder:
        raise ConfigError(f"--embedder is for a diarization model; {flags.model} is itself a speaker model")
    if given := [*settings, *(["postprocessing"] if flags.postprocessing else [])]:
        raise ConfigError(f"--{given[0]} is for a diarization model; {flags.model} is a speaker model")
    detector: Any = [jaxspeech.load(flags.vad, jaxspeech.Classifier, dtype=flags.dtype)] if flags.vad else []
    return jaxspeech.ClusteringDiarizer(model, *detector), {}
