"""Transcribes audio with a trained model.

  python transcribe.py --model=model.jaxspeech a.wav b.flac folder
  python transcribe.py --model=model.nemo --manifest=in.jsonl --output=out.jsonl
  python transcribe.py --model=model.jaxspeech --format=srt --output=subtitles folder
  srun python transcribe.py --model=model.nemo --manifest=in.jsonl --output=out.jsonl   (see docs/scaling.md)
  arecord -f S16_LE -r 16000 -t raw | python transcribe.py --model=live.jaxspeech --stream -

Results go to stdout or to --output. Everything else goes to stderr: a progress bar, one line for each recording that
cannot be transcribed (it is skipped), error rates where a manifest has references, and the number of files, the
seconds of audio and the speed (RTFx: seconds of audio transcribed in a second).

Exit status: 0; 1 with --strict where a recording was skipped; 2 where nothing could be done.
"""

from jaxspeech.runtime.huge_pages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()  # before the imports below, which take their time

import functools
import io
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags, logging

from jaxspeech import command

NAME = "transcribe.py"
USAGE = "usage: python transcribe.py --model=MODEL [--manifest=IN.jsonl] [--output=FILE] AUDIO...   (--help tells more)"
FORMATS = ("text", "jsonl", "srt", "vtt", "ass", "ctm", "textgrid")
FLAGS = flags.FLAGS

flags.DEFINE_string("model", None, "The model: a .jaxspeech or a .nemo file, or a name on the Hugging Face Hub.")
flags.DEFINE_list("manifest", [], "JSON lines with an audio_filepath each; several manifests are parted by commas.")
flags.DEFINE_string(
    "output", None, "A file instead of stdout; for srt, vtt, ass and textgrid of several files a folder."
)
flags.DEFINE_enum(
    "format",
    None,
    FORMATS,
    "text: the transcript, after the path and a tab unless one audio file is given. jsonl: the manifest line's fields "
    "and pred_text. srt, vtt: subtitles. ass: subtitles with karaoke tags. ctm: NIST's word times. textgrid: Praat's. "
    "By default what --output ends in, else jsonl for a manifest and text for files.",
)
flags.DEFINE_bool(
    "timestamps", False, "text: a line for each segment: start, end, text. jsonl: also pred_words and pred_segments."
)
flags.DEFINE_integer("batch_size", 16, "Most recordings on the device at once.", lower_bound=1)
flags.DEFINE_string("channel", "mean", "Of several channels: mean, or the number of one, counted from 0.")
flags.DEFINE_enum("dtype", None, ("float32", "bfloat16", "float16"), "Of the computation; the model's by default.")
flags.DEFINE_enum("head", None, ("transducer", "ctc"), "Which of a hybrid model's two heads decides.")
flags.DEFINE_integer("beam_size", None, "Hypotheses of a transducer's search; 1 is the greedy one.", lower_bound=1)
flags.DEFINE_enum(
    "long",
    "auto",
    ("auto", "full", "local", "buffered", "segments"),
    "Recordings of more than 40 s: all frames attend to all (full), to a window (local), or overlapping parts are "
    "encoded for themselves (buffered); auto is the first of these that the memory holds, and one line says which. "
    "segments: they are cut at silences into segments of at most 30 s, each transcribed for itself.",
)
flags.DEFINE_bool(
    "stream",
    False,
    "Show the text while it is spoken: the audio is fed to the model bit by bit. The path - is standard input, 16-bit "
    "samples without a header. For models made for it, such as those of configs/fastconformer_streaming.py.",
)
flags.DEFINE_integer("look_ahead", None, "--stream: frames that are awaited; the model's first choice by default.")
flags.DEFINE_bool("realtime", False, "--stream: files are read at the speed at which they were spoken.")
flags.DEFINE_integer("sample_rate", None, "--stream: of standard input, in Hz; the model's by default.")
# train.py has these two as well.
flags.DEFINE_integer(
    "num_processes",
    None,
    "So many processes share the work and --output; SLURM and Open MPI tell.",
    allow_override=True,
)
flags.DEFINE_integer("process_id", None, "Which of them this is, from 0 on.", allow_override=True)
flags.DEFINE_bool("strict", False, "Exit with status 1 where a recording was skipped.")


def main(argv: Sequence[str]) -> int:
    """Runs `transcribe`; what a user can mend is one line."""
    logging.set_verbosity(logging.WARNING)  # JAX informs about every device that it does not find
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # a file's name need not be text
    if not (argv[1:] or FLAGS.manifest):
        print(USAGE, file=sys.stderr)
        return 2
    return command.run(lambda: transcribe(argv[1:]), name=NAME)


def transcribe(paths: Sequence[str]) -> int:
    """Loads, transcribes, writes and sums up. Returns the exit status."""
    from tqdm import tqdm

    import jaxspeech
    from jaxspeech.errors import ConfigError
    from jaxspeech.inference.inputs import find_recordings, read_manifest, read_recording
    from jaxspeech.inference.live import GrowingText, StepTimes, transcribe_live
    from jaxspeech.inference.multi_process import SharedOutput, find_share
    from jaxspeech.inference.writers import WORD_FORMATS, guess_format, open_writer

    if not FLAGS.model:
        raise ConfigError("which model? --model=FILE names a .jaxspeech or a .nemo file, or a model on the Hub")
    if FLAGS.channel != "mean" and not FLAGS.channel.isdigit():
        raise ConfigError(f"--channel={FLAGS.channel}: it is mean, or a number counted from 0")
    lost = [
        f"--{name}" for name in ("look_ahead", "realtime", "sample_rate") if FLAGS[name].present and not FLAGS.stream
    ]
    if lost:
        raise ConfigError(f"{lost[0]} is for live audio: give --stream too")
    output_format = FLAGS.format or guess_format(FLAGS.output, otherwise="jsonl" if FLAGS.manifest else "text")
    recordings = list(find_recordings(paths))
    named = bool(FLAGS.manifest) or len(paths) > 1 or len(recordings) != 1 or Path(paths[0]).is_dir()
    recordings += [recording for manifest in FLAGS.manifest for recording in read_manifest(manifest)]
    share = find_share(FLAGS.num_processes, FLAGS.process_id)
    shared = share and SharedOutput(FLAGS.output, recordings, share, output_format=output_format)
    if shared:
        if FLAGS.stream:
            raise ConfigError("--stream is for one process")
        if shared.complete:
            print(f"{FLAGS.output} is there already; delete it to begin anew", file=sys.stderr)
            return 0
        recordings = shared.remaining

    recognizer = jaxspeech.load(FLAGS.model, dtype=FLAGS.dtype, head=FLAGS.head, beam_size=FLAGS.beam_size)
    begin = time.perf_counter()
    timestamps = FLAGS.timestamps or output_format in WORD_FORMATS
    channel = "mean" if FLAGS.channel == "mean" else int(FLAGS.channel)
    times = StepTimes()
    # The growing text is the result itself, where that goes to stdout as nothing but text.
    grows = FLAGS.stream and FLAGS.output is None and output_format == "text" and not FLAGS.timestamps
    growing = GrowingText(sys.stdout if grows else sys.stderr, named=named)
    if FLAGS.stream:
        hypotheses = transcribe_live(
            recognizer.streams(1, look_ahead=FLAGS.look_ahead, timestamps=timestamps),
            recordings,
            functools.partial(read_recording, sample_rate=recognizer.task.inference.sample_rate, channel=channel),
            show=growing.show,
            times=times,
            realtime=FLAGS.realtime,
            pipe_rate=FLAGS.sample_rate,
        )
    else:
        hypotheses = recognizer.transcribe_iter(
            recordings,
            batch_size=FLAGS.batch_size,
            timestamps=timestamps,
            channel=channel,
            long=FLAGS.long,
            on_error="skip",
        )
    # Where the results themselves appear on the terminal, they are the progress.
    hidden = FLAGS.stream or not sys.stderr.isatty() or (FLAGS.output is None and sys.stdout.isatty())
    bar = tqdm(hypotheses, total=len(recordings), unit="file", dynamic_ncols=True, leave=False, disable=hidden)
    skipped, seconds, references, found = 0, 0.0, [], []
    writer = (
        shared.open()
        if shared
        else open_writer(FLAGS.output, output_format=output_format, recordings=recordings, named=named)
    )
    with writer as write:
        for recording, hypothesis in zip(recordings, bar, strict=True):
            growing.end_line()
            if not grows:
                write(recording, hypothesis)
            seconds += hypothesis.duration
            if hypothesis.error is not None:
                skipped += 1
                tqdm.write(f"skipped: {hypothesis.error}", file=sys.stderr)
            if hypothesis.note is not None:
                tqdm.write(f"{hypothesis.source}: transcribed {hypothesis.note}", file=sys.stderr)
            if hypothesis.error is None and recording.text is not None:
                references.append(recording.text)
                found.append(hypothesis.text)
    elapsed = time.perf_counter() - begin
    if any(references):
        print(error_rates(references, found), file=sys.stderr)
    print(
        f"{counted(len(recordings), 'file')}, {skipped} skipped, {seconds:.1f} s of audio in {elapsed:.1f} s, "
        f"RTFx {seconds / elapsed:.1f}" + (f"; {times}" if FLAGS.stream else ""),
        file=sys.stderr,
    )
    if shared and (entries := shared.merge()):
        done = [entry for entry in entries if not entry["skipped"]]
        print(f"{FLAGS.output}: {len(done)} of {counted(len(entries), 'file')}, by all processes", file=sys.stderr)
        spoken = [entry for entry in done if entry["said"] is not None]
        if any(entry["said"] for entry in spoken):
            print(error_rates([x["said"] for x in spoken], [x["heard"] for x in spoken]), file=sys.stderr)
    if recordings and skipped == len(recordings):
        return 2
    return 1 if FLAGS.strict and skipped else 0


def error_rates(references: Sequence[str], found: Sequence[str]) -> str:
    """WER and CER over all references, as a line."""
    from jaxspeech.text.error_rate import char_errors, word_errors

    words, characters = word_errors(references, found), char_errors(references, found)
    return (
        f"WER {words.rate:.2%} ({words.errors} errors in {words.length} words of "
        f"{counted(len(references), 'reference')}), CER {characters.rate:.2%}"
    )


def counted(number: int, noun: str) -> str:
    """1 file, 2 files."""
    return f"{number} {noun}" + ("s" if number != 1 else "")


def parse_flags(argv: Sequence[str]) -> list[str]:
    """The command line without its flags; what is wrong with it is one line."""
    if "--help" in argv or "-h" in argv:
        app.usage(shorthelp=True, writeto_stdout=True, exitcode=0)
    return command.parse_flags(argv, name=NAME)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # leaves nothing half done behind
    app.run(main, flags_parser=parse_flags)
