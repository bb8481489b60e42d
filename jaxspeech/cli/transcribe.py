"""Transcribes recordings with a trained model.

  jaxspeech transcribe --model=model.jaxspeech a.wav b.flac folder
  jaxspeech transcribe --model=model.nemo --manifest=in.jsonl --output=out.jsonl
  jaxspeech transcribe --model=model.jaxspeech --format=srt --output=subtitles folder
  jaxspeech transcribe --model=model.jaxspeech --speakers=titanet.nemo --output=meeting.seglst.json meeting.wav
  srun jaxspeech transcribe --model=model.nemo --manifest=in.jsonl --output=out.jsonl   (see docs/scaling.md)
  jaxspeech transcribe --model=model.nemo --dry_run --target=h200 --batch_size=128      (see docs/scaling.md)
  arecord -f S16_LE -r 16000 -t raw | jaxspeech transcribe --model=live.jaxspeech --stream -

Results go to stdout or to --output. Everything else goes to stderr: a progress bar, one line for each recording that
cannot be transcribed (it is skipped), error rates where a manifest has references, and the number of files, the
seconds of audio and the speed (RTFx: seconds of audio transcribed per second).

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
import sys
from typing import TYPE_CHECKING

import jaxspeech
from jaxspeech.cli.fusion import fusion_of
from jaxspeech.cli.live_transcribing import add_live, check_live, open_streams, transcribed_live
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.prompt import slots_of
from jaxspeech.cli.recognition import add_recognition, search_of
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, counted, find_inputs, process, report
from jaxspeech.cli.rescoring import Tuner, add_rescoring, rescoring_of
from jaxspeech.cli.speakers import SPEAKER_FORMATS, add_speakers, check_speakers, open_recognizer, open_speakers
from jaxspeech.cli.targets import add_target
from jaxspeech.errors import ConfigError
from jaxspeech.runtime.streams import is_terminal
from jaxspeech.targets.target import THIS, find_target, prepare_environment

if TYPE_CHECKING:
    from jaxspeech.inference.hypothesis import Hypothesis
    from jaxspeech.inference.inputs import Recording

# A copy of the list in inference/writers.py, which is too slow to import for --help.
FORMATS = ("text", "jsonl", "srt", "vtt", "ass", "ctm", "textgrid")
# Length of the recordings of a dry run.
DRY_RUN_SECONDS = 20


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    add_recognition(parser, long=("auto", "full", "local", "buffered", "segments"))
    add_rescoring(parser)
    parser.add_argument(
        "--output", help="a file instead of stdout; a folder for subtitles or TextGrids of several files"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS + SPEAKER_FORMATS,
        help="text: the transcript, after the path and a tab unless only one audio file is given; jsonl: the manifest "
        "line's fields and pred_text; srt, vtt: subtitles; ass: subtitles with karaoke tags; ctm: NIST's word times; "
        "textgrid: Praat's; with --speakers also seglst: who said what, as JSON, and rttm: who spoke when. By "
        "default what --output ends in, else jsonl for a manifest and text for files",
    )
    parser.add_switch(
        "timestamps", help="text: a line for each segment: start, end, text; jsonl: also pred_words and pred_segments"
    )
    parser.add_argument(
        "--voice_activity",
        help="a model of frames that finds speech (.jaxspeech, .nemo, or a name on the Hub). --long=segments: where to "
        "cut, by default by the level of the signal; --stream: only speech is transcribed; --speakers: the "
        "speech whose speakers are found",
    )
    add_speakers(parser)
    parser.add_argument(
        "--enhance", help="an enhancement model (.jaxspeech, .nemo, or a name on the Hub) that hears recordings first"
    )
    parser.add_argument(
        "--prompt",
        default="",
        help="what is asked of a model with an attention decoder: source_lang=de,target_lang=en,pnc=no,...; its "
        "defaults if not given",
    )
    parser.add_argument(
        "--target_lang",
        help="the language of the text, for a model that is asked for one: en-US, auto, ...; as in --prompt",
    )
    parser.add_switch(
        "guard",
        default=None,
        help="with an attention decoder: decode a text again at rising temperatures that repeats itself or is "
        "improbable; if neither is given, only segments of long recordings",
    )
    add_live(parser)
    parser.add_switch(
        "dry_run",
        help="transcribe nothing: compile the program for --batch_size recordings and print its memory and time",
    )
    add_target(parser)
    parser.add_argument(
        "--seconds", type=at_least(1), help=f"--dry_run: length of the recordings; {DRY_RUN_SECONDS} s if not given"
    )
    parser.add_argument(
        "--num_processes", type=int, help="how many processes share the work and --output; SLURM and Open MPI set it"
    )
    parser.add_argument("--process_id", type=int, help="number of this process, from 0")


def dry_run(flags: argparse.Namespace) -> int:
    """Prints what a batch would need on the target, or on the devices that are here."""
    if flags.audio or flags.manifest or flags.stream:
        given = "--stream" if flags.stream else "AUDIO and --manifest"
        raise ConfigError(f"--dry_run compiles for --batch_size recordings of --seconds: leave out {given}")
    name = flags.target or THIS
    prepare_environment(name)

    from jaxspeech.builder import build
    from jaxspeech.forms.search import with_search
    from jaxspeech.loading import read_archive
    from jaxspeech.pipelines.doors import DOORS
    from jaxspeech.runtime.compilation_cache import enable_compilation_cache
    from jaxspeech.targets.inference_plan import report_inference
    from jaxspeech.tasks.kinds import Recognition

    target = find_target(name)
    enable_compilation_cache()
    archive = read_archive(flags.model, dtype=flags.dtype)
    kind = type(build(archive.model).inference)
    if kind is not Recognition:
        raise ConfigError(f"{flags.model} is {DOORS[kind].noun}: --dry_run plans the batches of recognition models")
    config = with_search(archive.model, **search_of(flags))
    shape = {"rows": flags.batch_size, "seconds": float(flags.seconds or DRY_RUN_SECONDS)}
    return report_inference(config, archive.variables, target=target, dtype=flags.dtype, **shape)


def run(flags: argparse.Namespace) -> int:
    """Loads the model, transcribes, writes the results and prints a summary."""
    from jaxspeech.cli.error_rates import end_scores, error_rates
    from jaxspeech.evaluation.end_of_utterance import ENDS, EndCounts, counts_of
    from jaxspeech.inference.channels import each_channel
    from jaxspeech.inference.formats import to_text
    from jaxspeech.inference.live import GrowingText, StepTimes
    from jaxspeech.inference.multi_process import SharedOutput, find_share
    from jaxspeech.inference.writers import WORD_FORMATS, guess_format, open_writer
    from jaxspeech.text.prompt import PROMPT

    check_model(flags)
    if flags.dry_run:
        return dry_run(flags)
    for name in ("target", "seconds"):
        if getattr(flags, name):
            raise ConfigError(f"--{name} only plans: add --dry_run")
    if flags.guard and flags.stream:
        raise ConfigError(
            "--guard is for whole recordings: leave out --stream, where texts in loops are stopped anyway"
        )
    if flags.enhance and flags.stream:
        raise ConfigError(
            "--enhance is for whole recordings: leave out --stream, or pipe live audio through enhance --realtime"
        )
    check_live(flags)
    recordings, named = find_inputs(flags, question="what is to be transcribed?")
    each = flags.channel == "each"
    if each and flags.stream:
        raise ConfigError("--channel=each is for whole recordings: leave out --stream")
    if each:
        recordings = list(each_channel(recordings))
    otherwise = "jsonl" if flags.manifest else "text"
    output_format = flags.format or guess_format(flags.output, otherwise=otherwise, among=FORMATS + SPEAKER_FORMATS)
    check_speakers(flags, output_format)
    share = find_share(flags.num_processes, flags.process_id)
    shared = share and SharedOutput(flags.output, recordings, share, output_format=output_format)
    if shared:
        if flags.stream:
            raise ConfigError("--stream is for one process")
        if shared.complete:
            report(f"{flags.output} already exists; delete it to start from scratch")
            return 0
        if note := shared.edited:
            report(note)
        recordings = shared.remaining

    detector = {}
    if flags.voice_activity is not None:
        if flags.long != "segments" and not flags.stream and not flags.speakers:
            raise ConfigError(
                "--voice_activity finds where to cut long recordings, or what is said live or by speakers: add "
                "--long=segments, --stream, or --speakers"
            )
        detector = {"voice_activity": jaxspeech.load(flags.voice_activity, jaxspeech.Classifier)}
    recognizer = open_recognizer(flags, search_of(flags))
    speakers = open_speakers(flags, *detector.values())
    enhance = {"enhance": jaxspeech.load(flags.enhance, jaxspeech.Enhancer)} if flags.enhance else {}
    fusion, rescoring = fusion_of(flags), rescoring_of(flags)
    if (given := [*fusion, *rescoring, *enhance]) and isinstance(recognizer, jaxspeech.MultitalkerRecognizer):
        raise ConfigError(f"--{given[0]}: not for a model for several speakers")
    timestamps = flags.timestamps or output_format in WORD_FORMATS
    times = StepTimes()
    # If the output is plain text on stdout, the growing text is itself the result.
    grows = flags.stream and flags.output is None and output_format == "text" and not flags.timestamps
    growing = GrowingText(sys.stdout if grows else sys.stderr, named=named)
    if flags.stream:
        streams = open_streams(
            recognizer,
            flags,
            speakers,
            detector,
            timestamps=timestamps,
            **slots_of(flags.prompt, flags.target_lang),
            **fusion,
        )
        show = growing.show_known if speakers else growing.show
        hypotheses = transcribed_live(recognizer, streams, recordings, flags, show=show, times=times)
    else:
        hypotheses = recognizer.transcribe_iter(
            recordings,
            batch_size=flags.batch_size,
            timestamps=timestamps,
            channel=flags.channel,
            long=flags.long,
            on_error="skip",
            guard=flags.guard,
            **detector,
            **speakers,
            **enhance,
            **slots_of(flags.prompt, flags.target_lang),
            **fusion,
            **rescoring,
        )
    prompt, slots = recognizer.assets.get(PROMPT), slots_of(flags.prompt, flags.target_lang)
    references: list[str] = []
    found: list[str] = []
    tuner = Tuner() if flags.tune_rescoring else None
    ends = EndCounts()
    writer = (
        shared.open()
        if shared
        else open_writer(flags.output, output_format=output_format, recordings=recordings, named=named)
    )
    with writer as write:

        def take(recording: "Recording", hypothesis: "Hypothesis") -> None:
            if grows and speakers:
                growing.show(
                    hypothesis._replace(text=to_text(hypothesis._replace(segments=None), named=False).rstrip("\n"))
                )
            growing.end_line()
            if output_format == "text" and not flags.timestamps:
                hypothesis = hypothesis._replace(segments=None)
            if not grows:
                write(recording, hypothesis)
            nonlocal ends
            if hypothesis.utterances is not None and hypothesis.error is None and ENDS in recording.fields:
                ends += counts_of(recording.fields, hypothesis)
            translated = prompt is not None and prompt.translates({**slots, **recording.fields})
            if hypothesis.error is None and recording.text is not None and not translated:
                references.append(recording.text)
                found.append(hypothesis.text)
                if tuner is not None:
                    tuner.add(recording.text, hypothesis)

        # If the results themselves appear on the terminal, no progress bar is needed.
        bar = not (flags.stream or (flags.output is None and is_terminal(sys.stdout)))
        totals = process(recordings, hypotheses, take, done="transcribed", bar=bar)
    if any(references):
        report(error_rates(references, found))
    if ends.utterances:
        report(end_scores(ends))
    if tuner is not None:
        report(tuner.line())
    report(f"{totals}; {times}" if flags.stream else totals)
    if shared and (entries := shared.merge()):
        done = [entry for entry in entries if not entry["skipped"]]
        report(f"{flags.output}: {len(done)} of {counted(len(entries), 'file')}, by all processes")
        spoken = [entry for entry in done if entry["said"] is not None]
        if any(entry["said"] for entry in spoken):
            report(error_rates([x["said"] for x in spoken], [x["heard"] for x in spoken]))
    return totals.status(strict=flags.strict)
