"""Estimates a number for each recording: a rating, an age, whatever a regression model was trained on.

  jaxspeech estimate --model=quality.jaxspeech a.wav folder
  jaxspeech estimate --model=quality.nemo --manifest=in.jsonl --output=out.jsonl

Results go to stdout or to --output. Everything else goes to stderr: one line for each recording that cannot be used (it
is skipped), the number of files and, where a manifest has the true numbers ("label"), the errors.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from typing import TYPE_CHECKING

import jaxspeech
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, find_inputs, process, report
from jaxspeech.runtime.unicode import to_json

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.regressor import Estimated

FORMATS = ("text", "jsonl")


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument("--field", default="label", help="the manifest's field with the true number, for the errors")
    parser.add_argument("--output", help="a file instead of stdout")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: the number, after the path unless only one audio file is given; jsonl: the manifest line's fields "
        "and pred_value. By default what --output ends in, else jsonl for a manifest and text for files",
    )


def run(flags: argparse.Namespace) -> int:
    """Loads the model, estimates, writes the results and prints a summary."""
    from jaxspeech.data.columns.number import number_of
    from jaxspeech.evaluation.regression import errors
    from jaxspeech.inference.output import open_output
    from jaxspeech.inference.writers import guess_format

    check_model(flags)
    recordings, named = find_inputs(flags, question="whose number is to be estimated?")
    output_format = flags.format or guess_format(flags.output, otherwise="jsonl" if flags.manifest else "text")
    model = jaxspeech.load(flags.model, jaxspeech.Regressor, dtype=flags.dtype)
    results = model.estimate_iter(recordings, batch_size=flags.batch_size, channel=flags.channel, on_error="skip")
    pairs: list[tuple[float, float]] = []
    with open_output(flags.output) as put:

        def take(recording: "Recording", found: "Estimated") -> None:
            if found.error is not None:
                return
            if output_format == "jsonl":
                audio = {"audio_filepath": found.source, "duration": round(found.duration, 3)}
                put(to_json(dict(recording.fields or audio) | {"pred_value": found.value}) + "\n")
            else:
                put((f"{found.source}\t" if named else "") + f"{found.value:.6g}\n")
            truth = number_of(recording.fields, flags.field)
            if truth is not None:
                pairs.append((found.value, truth))

        totals = process(recordings, results, take, done="estimated", bar=flags.output is not None)
    if pairs:
        scores = errors(pairs)
        correlation = f", r {scores['correlation']:.3f}" if "correlation" in scores else ""
        report(f"MAE {scores['mae']:.4g}, MSE {scores['mse']:.4g}{correlation} of {len(pairs)} recordings")
    report(totals)
    return totals.status(strict=flags.strict)
