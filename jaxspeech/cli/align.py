"""Finds when each word of a given text was spoken.

  jaxspeech align --model=model.jaxspeech talk.wav talk.txt --output=talk.TextGrid
  jaxspeech align --model=model.nemo --manifest=in.jsonl --format=ass --output=subtitles

The model needs a CTC head. Each line of the text file is a segment; a manifest has its texts in "text". Results go
to stdout or to --output. Everything else goes to stderr: one line for each recording that cannot be aligned (it is
skipped), the words that the tokenizer cannot spell, the number of files, and, where a manifest line has "segments"
with their "start" and "text", how far the found times are from these.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_manifest, add_options, check_model, process, report
from jaxspeech.cli.transcribe import FORMATS
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.inputs import Recording, find_recordings_with_text, read_manifest

if TYPE_CHECKING:
    from jaxspeech.inference.hypothesis import Hypothesis


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("audio", nargs="?", metavar="AUDIO", help="a recording")
    parser.add_argument("text", nargs="?", metavar="TEXTFILE", help="a UTF-8 text file with its transcript")
    add_manifest(parser, help="JSON lines with audio_filepath and text; separate several manifests with commas")
    add_options(parser)
    parser.add_argument(
        "--output", help="a file instead of stdout; a folder for subtitles or TextGrids of several files"
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: start, end and text of each segment; jsonl: the manifest line with pred_words and pred_segments; "
        "srt, vtt: subtitles; ass: subtitles with karaoke tags; ctm: NIST's word times; textgrid: Praat's. By default "
        "what --output ends in, else jsonl for a manifest and text for a file",
    )
    parser.add_argument("--language", help="of the texts, for a multilingual tokenizer")
    parser.add_argument(
        "--long", default="auto", choices=("auto", "full", "local", "buffered"), help="see jaxspeech transcribe --help"
    )


def run(flags: argparse.Namespace) -> int:
    """Loads the model, aligns, writes the results and prints a summary."""
    from jaxspeech.inference.alignment_errors import start_errors, summary
    from jaxspeech.inference.writers import guess_format, open_writer

    check_model(flags)
    recordings = find(flags)
    output_format = flags.format or guess_format(flags.output, otherwise="jsonl" if flags.manifest else "text")
    recognizer = jaxspeech.load(flags.model, dtype=flags.dtype)
    hypotheses = recognizer.align_iter(
        recordings,
        language=flags.language,
        batch_size=flags.batch_size,
        channel=flags.channel,
        long=flags.long,
        on_error="skip",
    )
    errors: list[float] = []
    named = len(recordings) > 1
    with open_writer(flags.output, output_format=output_format, recordings=recordings, named=named) as write:

        def take(recording: Recording, hypothesis: "Hypothesis") -> None:
            write(recording, hypothesis)
            errors.extend(start_errors(hypothesis, recording.fields.get("segments") or ()))

        totals = process(recordings, hypotheses, take, done="aligned", bar=flags.output is not None)
    if errors:
        report(summary(errors))
    report(totals)
    return totals.status(strict=flags.strict)


def find(flags: argparse.Namespace) -> list[Recording]:
    """Finds the recordings with their texts that the command line names."""
    if bool(flags.audio) == bool(flags.manifest) or (flags.audio and not flags.text):
        raise ConfigError("what is to be aligned? give AUDIO and TEXTFILE, or --manifest=IN.jsonl")
    if flags.manifest:
        return [x for manifest in flags.manifest for x in find_recordings_with_text(read_manifest(manifest))]
    try:
        return list(find_recordings_with_text(flags.audio, Path(flags.text).read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{flags.text}: not text in UTF-8") from error
