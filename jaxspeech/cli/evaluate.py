"""Scores a model on manifests with reference texts.

  jaxspeech evaluate --model=model.jaxspeech --manifest=dev.jsonl,test.jsonl
  jaxspeech evaluate --model=model.nemo --manifest=test.jsonl --output=out.jsonl

A manifest holds JSON lines with audio_filepath and text. Its word and character error rates go to stdout, a line for
each manifest; --output receives all lines of the manifests with the model's transcript as pred_text. A recording that
cannot be read is skipped, with a line on stderr, and does not count in the rates.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
import contextlib
from typing import TYPE_CHECKING

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_manifest, add_options, check_model, process, report
from jaxspeech.cli.transcribe import add_recognition
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.inference.inputs import Recording, read_manifest

if TYPE_CHECKING:
    from jaxspeech.inference.hypothesis import Hypothesis


def options(parser: Parser) -> None:
    """Adds the options."""
    add_manifest(parser, help="JSON lines with audio_filepath and text; separate several manifests with commas")
    add_options(parser)
    add_recognition(parser, long=("auto", "full", "local", "buffered", "segments"))
    parser.add_argument("--output", metavar="OUT.jsonl", help="the manifests' lines with pred_text")


def run(flags: argparse.Namespace) -> int:
    """Loads the model, transcribes, scores each manifest and prints a summary."""
    from jaxspeech.cli.error_rates import error_rates
    from jaxspeech.inference.writers import open_writer

    check_model(flags)
    if not flags.manifest:
        raise ConfigError("on what is the model to be evaluated? give --manifest=IN.jsonl")
    sets = {manifest: list(read_manifest(manifest)) for manifest in flags.manifest}
    for manifest, recordings in sets.items():
        if not any(recording.text for recording in recordings):
            problem = next((recording.problem for recording in recordings if recording.problem), "")
            raise ManifestError(problem or f'{manifest}: no line has a "text" to compare with')
    search = {"head": flags.head, "beam_size": flags.beam_size, "language": flags.language}
    recognizer = jaxspeech.load(flags.model, dtype=flags.dtype, **search)
    recordings = [recording for part in sets.values() for recording in part]
    hypotheses = recognizer.transcribe_iter(
        recordings, batch_size=flags.batch_size, channel=flags.channel, long=flags.long, on_error="skip"
    )
    found: list[str | None] = []
    writer = (
        open_writer(flags.output, output_format="jsonl", recordings=recordings, named=True)
        if flags.output
        else contextlib.nullcontext()
    )
    with writer as write:

        def take(recording: Recording, hypothesis: "Hypothesis") -> None:
            found.append(None)
            if write:
                write(recording, hypothesis)
            if hypothesis.error is None:
                found[-1] = hypothesis.text

        totals = process(recordings, hypotheses, take, done="transcribed")
    texts = iter(found)
    for manifest, part in sets.items():
        pairs = [(x.text, text) for x in part if (text := next(texts)) is not None and x.text is not None]
        if any(said for said, _ in pairs):
            print(f"{manifest}: {error_rates([said for said, _ in pairs], [text for _, text in pairs])}")
    report(totals)
    return totals.status(strict=flags.strict)
