"""Speaks texts with a voice: to a file, to a pipe, or a manifest to a folder.

  jaxspeech speak --model=voice.jaxspeech --output=a.wav "Good morning."
  jaxspeech speak --model=voice.jaxspeech --output=book.flac --times=book.srt --text_file=book.txt
  echo "Good morning." | jaxspeech speak --model=voice.jaxspeech | aplay
  jaxspeech speak --model=voice.jaxspeech --output=spoken --manifest=in.jsonl
  jaxspeech speak --model=fastpitch.nemo --vocoder=hifigan.nemo --output=a.wav "Good morning."

The words of the command line are one text; without any, standard input is. To a pipe (--output=-), sound comes as WAV
while it is made. A line of a manifest has a "text", or a "normalized_text" with numbers in words, and may have a
"speaker"; the results are in the folder --output, with a manifest of them, manifest.jsonl. Everything else goes to
stderr: one line for each text that cannot be spoken (it is skipped), what the voice has no symbol for, and the number
of files.

Exit status: 0; 1 with --strict if a text was skipped; 2 if nothing could be done.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.cli.recordings import add_manifest, add_model, check_model, process, report
from jaxspeech.errors import ConfigError
from jaxspeech.runtime.streams import is_terminal

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.synthesizer import Synthesizer

# For standard input and output.
PIPE = "-"
TIMES = ("srt", "vtt", "ass", "ctm", "textgrid")


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="what to say; -, or nothing: standard input")
    add_manifest(parser, help="JSON lines with a text each; separate several manifests with commas")
    parser.add_argument(
        "--text_file", type=names, action="extend", default=[], metavar="IN.txt", help="text files, separated by commas"
    )
    add_model(parser)
    parser.add_argument("--vocoder", help="the file of a vocoder, for a --model that makes mel frames alone")
    parser.add_argument(
        "--output", help="a file (.wav, .flac, .ogg, .mp3), for several texts a folder, or - for standard output"
    )
    parser.add_argument("--format", default="wav", choices=("wav", "flac", "ogg", "mp3"), help="of files in a folder")
    parser.add_argument("--speaker", help="the name or number of one of the voice's speakers; the first by default")
    parser.add_argument("--pace", type=float, default=1.0, help="2 is twice as fast, 0.5 half as fast")
    parser.add_argument(
        "--pitch", type=float, default=0.0, help="higher by so many standard deviations of the voice's pitch"
    )
    parser.add_argument("--pause", type=float, default=0.2, help="seconds of silence between sentences")
    parser.add_argument(
        "--denoise", type=float, default=0.0, help="subtract this much of the vocoder's own hum; 0.0025 is usual"
    )
    parser.add_argument("--style", metavar="AUDIO", help="a recording to speak like, for a voice with style tokens")
    parser.add_switch("normalized", help="numbers and abbreviations in the texts are in words already")
    parser.add_argument(
        "--times",
        metavar="FILE",
        help="when each word is said, in the format that its name ends in (srt, vtt, ass, ctm, TextGrid); subtitles of "
        "several texts need a folder, and --times_format",
    )
    parser.add_argument("--times_format", choices=TIMES, help="of --times, if its name does not say it")
    parser.add_argument("--batch_size", type=at_least(1), default=8, help="maximum number of sentences in a batch")
    parser.add_argument("--report", metavar="PAGE.html", help="a page with the spectrograms, the words, and players")
    parser.add_argument("--report_files", type=at_least(1), default=10, help="--report: the most texts on the page")
    parser.add_switch("strict", help="exit with status 1 if a text was skipped")


def run(flags: argparse.Namespace) -> int:
    """Loads the voice, speaks, writes the sound and prints a summary."""
    from jaxspeech.cli.spoken_files import SpokenFiles
    from jaxspeech.inference.texts import find_texts

    check_model(flags)
    texts = _texts(flags)
    if flags.output is None and is_terminal(sys.stdout):
        raise ConfigError("where does the sound go? --output=FILE.wav names a file, and - is standard output")
    # What the voice has no symbol for is said with the text that has it.
    logging.getLogger("jaxspeech.front_end").setLevel(logging.ERROR)
    live = flags.output in (None, PIPE)
    if live and (flags.times or flags.report):
        raise ConfigError(f"--{'times' if flags.times else 'report'} needs --output=FILE, not standard output")
    voice = jaxspeech.load(flags.model, jaxspeech.Synthesizer, dtype=flags.dtype, vocoder=flags.vocoder)
    chosen: Any = {
        name: getattr(flags, name)
        for name in ("pace", "pitch", "pause", "denoise", "style", "normalized", "batch_size")
    }
    if flags.speaker is not None:
        named = flags.speaker in voice.speakers or not flags.speaker.isdecimal()
        chosen["speaker"] = flags.speaker if named else int(flags.speaker)
    recordings = list(find_texts(texts))
    if live:
        return _speak_live(voice, recordings, **chosen)
    single = len(recordings) == 1 and not flags.manifest
    with SpokenFiles(flags, recordings, sample_rate=voice.sample_rate, single=single) as files:
        results = voice.speak_texts(recordings, on_error="skip", **chosen)
        totals = process(recordings, results, files.take, done="spoken")
    report(totals)
    return totals.status(strict=flags.strict)


def _texts(flags: argparse.Namespace) -> list[Any]:
    """What the command line names, for `find_texts`."""
    texts: list[Any] = [Path(name) for name in [*flags.text_file, *flags.manifest]]
    if flags.text == [PIPE] or (not flags.text and not texts):
        if not flags.text and is_terminal(sys.stdin):
            raise ConfigError(f"what is to be said? give a text, or --manifest; {flags.prog} --help lists the options")
        data = sys.stdin.buffer.read() if sys.stdin is not None else b""
        try:
            return [data.decode("utf-8-sig"), *texts]
        except UnicodeDecodeError as error:
            raise ConfigError("standard input is not text in UTF-8") from error
    for name in flags.text:
        if Path(name).suffix and os.path.isfile(name):  # which takes any text
            raise ConfigError(f"{name} is a file: --text_file={name} speaks its text, --manifest={name} its lines")
    return [*([" ".join(flags.text)] if flags.text else []), *texts]


def _speak_live(voice: "Synthesizer", recordings: "list[Recording]", **chosen: Any) -> int:
    """Writes WAV to standard output while it is made."""
    from jaxspeech.audio.convert import to_int16
    from jaxspeech.cli.announcements import compilation_announced
    from jaxspeech.cli.wave_stream import send, wave_header

    if sys.stdout is None:
        raise ConfigError("standard output is closed; --output=FILE names a file instead")
    begin, first, heard = time.perf_counter(), None, 0
    with compilation_announced():
        for samples in voice.stream(recordings, **chosen):
            if first is None:
                first = time.perf_counter() - begin
                send(sys.stdout.buffer, wave_header(voice.sample_rate))
            send(sys.stdout.buffer, to_int16(samples).astype("<i2").tobytes())
            heard += len(samples)
    seconds, elapsed = heard / voice.sample_rate, time.perf_counter() - begin
    report(f"{seconds:.1f} s of audio in {elapsed:.1f} s, the first sound after {first or 0.0:.2f} s")
    return 0
