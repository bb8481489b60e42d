"""Names the class of each recording: a command, a language, any label that a model was trained on.

  jaxspeech classify --model=commands.jaxspeech a.wav folder
  jaxspeech classify --model=commands.nemo --top_k=3 --manifest=in.jsonl --output=out.jsonl

Results go to stdout or to --output. Everything else goes to stderr: one line for each recording that cannot be
classified (it is skipped), the number of files and, where a manifest names the classes ("label"), the accuracy.

Exit status: 0; 1 with --strict if a recording was skipped; 2 if nothing could be done.
"""

import argparse
from typing import TYPE_CHECKING

import jaxspeech
from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.recordings import add_inputs, add_options, check_model, find_inputs, process, report
from jaxspeech.runtime.unicode import to_json
from jaxspeech.text.classes import class_name

if TYPE_CHECKING:
    from jaxspeech.inference.inputs import Recording
    from jaxspeech.pipelines.classifier import Classified

FORMATS = ("text", "jsonl")


def options(parser: Parser) -> None:
    """Adds the options."""
    add_inputs(parser)
    add_options(parser)
    parser.add_argument("--top_k", type=at_least(1), default=1, help="how many classes are named, the likeliest first")
    parser.add_argument("--field", default="label", help="the manifest's field with the true class, for the accuracy")
    parser.add_argument("--output", help="a file instead of stdout")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text: the names with their probabilities, after the path unless only one audio file is given; jsonl: the "
        "manifest line's fields and pred_label, pred_probability and, with --top_k, pred_top. By default what --output "
        "ends in, else jsonl for a manifest and text for files",
    )


def run(flags: argparse.Namespace) -> int:
    """Loads the model, classifies, writes the results and prints a summary."""
    from jaxspeech.evaluation.classification import accuracy, confusion, macro_f1
    from jaxspeech.inference.output import open_output
    from jaxspeech.inference.writers import guess_format

    check_model(flags)
    recordings, named = find_inputs(flags, question="what is to be classified?")
    output_format = flags.format or guess_format(flags.output, otherwise="jsonl" if flags.manifest else "text")
    classifier = jaxspeech.load(flags.model, jaxspeech.Classifier, dtype=flags.dtype)
    results = classifier.classify_iter(
        recordings, top_k=flags.top_k, batch_size=flags.batch_size, channel=flags.channel, on_error="skip"
    )
    pairs: list[tuple[str, str]] = []
    with open_output(flags.output) as put:

        def take(recording: "Recording", found: "Classified") -> None:
            if found.error is not None:
                return
            put(as_jsonl(recording, found) if output_format == "jsonl" else as_text(found, named=named))
            truth = class_name(recording.fields, flags.field)
            if truth is not None:
                pairs.append((truth, found.top[0][0]))

        totals = process(recordings, results, take, done="classified", bar=flags.output is not None)
    if pairs:
        counts = confusion(pairs)
        report(f"accuracy {accuracy(counts):.2%}, macro F1 {macro_f1(counts):.2%} of {len(pairs)} recordings")
    report(totals)
    return totals.status(strict=flags.strict)


def as_text(found: "Classified", *, named: bool) -> str:
    """A line of the names and their probabilities, separated by tabs; after the path if it is named."""
    cells = [cell for name, probability in found.top for cell in (name, f"{probability:.4f}")]
    return "\t".join([found.source, *cells] if named else cells) + "\n"


def as_jsonl(recording: "Recording", found: "Classified") -> str:
    """A line of JSON: the manifest line's fields, or path and duration, and what was found."""
    audio = {"audio_filepath": recording.source, "duration": round(found.duration, 3)}
    top = [[name, round(probability, 6)] for name, probability in found.top]
    line = dict(recording.fields or audio) | {"pred_label": top[0][0], "pred_probability": top[0][1]}
    return to_json(line | ({"pred_top": top} if len(top) > 1 else {})) + "\n"
