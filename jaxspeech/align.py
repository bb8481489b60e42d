"""When each word of a given text was said.

  python -m jaxspeech.align --model=model.jaxspeech talk.wav talk.txt --output=talk.TextGrid
  python -m jaxspeech.align --model=model.nemo --manifest=in.jsonl --format=ass --output=subtitles

The model needs a CTC head. Each line of the text file is a segment; a manifest has its texts in "text". Results go
to stdout or to --output. Everything else goes to stderr: one line for each recording that cannot be aligned (it is
skipped), the words that the tokenizer cannot spell, the number of files, and, where a manifest's line has "segments"
with their "start" and "text", how far the times are from these.

Exit status: 0; 1 with --strict where a recording was skipped; 2 where nothing could be done.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from jaxspeech.command import run
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.alignment_errors import start_errors, summary
from jaxspeech.inference.inputs import Recording, find_recordings_with_text, read_manifest
from jaxspeech.inference.writers import FORMATS, guess_format, open_writer
from jaxspeech.loading import load


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `align`; what a user can mend is one line."""
    return run(lambda: align(parser().parse_args(arguments)))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m jaxspeech.align", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio", nargs="?", help="a recording")
    parser.add_argument("text", nargs="?", help="a text file in UTF-8: what is said in it")
    parser.add_argument("--model", required=True, help="a .jaxspeech or .nemo file, or a name on the Hub")
    parser.add_argument("--manifest", default="", help="JSON lines with audio_filepath and text, parted by commas")
    parser.add_argument("--output", help="a file instead of stdout; for srt, vtt, ass, textgrid of several a folder")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: start, end and text of each segment; jsonl: the manifest line with pred_words and pred_segments; "
        "srt, vtt: subtitles; ass: subtitles with karaoke tags; ctm: NIST's word times; textgrid: Praat's. By default "
        "what --output ends in, else jsonl for a manifest and text for a file",
    )
    parser.add_argument("--language", help="of the texts, for a tokenizer of several languages")
    parser.add_argument(
        "--long", default="auto", choices=["auto", "full", "local", "buffered"], help="see transcribe.py"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="most recordings on the device at once")
    parser.add_argument("--channel", default="mean", help="of several channels: mean, or the number of one, from 0")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], help="of the computation")
    parser.add_argument("--strict", action="store_true", help="exit with status 1 where a recording was skipped")
    return parser


def align(flags: argparse.Namespace) -> int:
    """Loads, aligns, writes and sums up. Returns the exit status."""
    if flags.channel != "mean" and not flags.channel.isdigit():
        raise ConfigError(f"--channel={flags.channel}: it is mean, or a number counted from 0")
    recordings = find(flags)
    output_format = flags.format or guess_format(flags.output, otherwise="jsonl" if flags.manifest else "text")
    recognizer = load(flags.model, dtype=flags.dtype)
    begin = time.perf_counter()
    found = recognizer.align_iter(
        recordings,
        language=flags.language,
        batch_size=flags.batch_size,
        channel="mean" if flags.channel == "mean" else int(flags.channel),
        long=flags.long,
        on_error="skip",
    )
    skipped, seconds = 0, 0.0
    errors: list[float] = []
    named = len(recordings) > 1
    with open_writer(flags.output, output_format=output_format, recordings=recordings, named=named) as write:
        for recording, hypothesis in zip(recordings, found, strict=True):
            write(recording, hypothesis)
            seconds += hypothesis.duration
            errors += start_errors(hypothesis, recording.fields.get("segments") or ())
            if hypothesis.error is not None:
                skipped += 1
                print(f"skipped: {hypothesis.error}", file=sys.stderr)
            if hypothesis.note is not None:
                print(f"{hypothesis.source}: aligned {hypothesis.note}", file=sys.stderr)
    if errors:
        print(summary(errors), file=sys.stderr)
    files = f"{len(recordings)} file{'s' if len(recordings) != 1 else ''}"
    elapsed = time.perf_counter() - begin
    print(f"{files}, {skipped} skipped, {seconds:.1f} s of audio in {elapsed:.1f} s", file=sys.stderr)
    if skipped == len(recordings):
        return 2
    return 1 if flags.strict and skipped else 0


def find(flags: argparse.Namespace) -> list[Recording]:
    """The recordings with their texts that the command line names."""
    manifests = [manifest for manifest in flags.manifest.split(",") if manifest]
    if bool(flags.audio) == bool(manifests) or (flags.audio and not flags.text):
        raise ConfigError("what is to be aligned? give AUDIO and TEXTFILE, or --manifest=IN.jsonl")
    if manifests:
        return [recording for manifest in manifests for recording in find_recordings_with_text(read_manifest(manifest))]
    try:
        return list(find_recordings_with_text(flags.audio, Path(flags.text).read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError as error:
        raise ManifestError(f"{flags.text}: not text in UTF-8") from error


if __name__ == "__main__":
    sys.exit(main())
