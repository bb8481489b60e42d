"""Makes a manifest to train on of the transcripts that models made of recordings without any.

  jaxspeech transcribe --model=first.jaxspeech --manifest=untranscribed.jsonl --timestamps --output=first.jsonl
  jaxspeech transcribe --model=second.jaxspeech --manifest=untranscribed.jsonl --output=second.jsonl
  jaxspeech prepare pseudo_labels first.jsonl second.jsonl --output=pseudo.jsonl --min_confidence=0.8 \\
      --max_disagreement=0.1 --max_rate=25
  jaxspeech train --config=... --config.data.train='("train.jsonl", {"path": "pseudo.jsonl", "weight": 0.5})'

The texts are those of the first model. Each line also has the "confidence", the "disagreement" and the "rate" that it
was chosen by, so that a recipe can be stricter: {"path": "pseudo.jsonl", "keep": {"confidence": (0.9, None)}}. See
docs/pseudo-labels.md.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser
from jaxspeech.errors import ConfigError, ManifestError

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument(
        "transcripts", nargs="+", type=Path, metavar="TRANSCRIPTS", help="of one model or two, as JSON lines"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the new manifest")
    parser.add_argument("--field", default="pred_text", help="the field with the transcript; pred_text by default")
    parser.add_argument(
        "--min_confidence", type=float, default=0.0, help="mean of the words, 0 to 1; needs --timestamps"
    )
    parser.add_argument("--max_disagreement", type=float, help="character error rate between the two models")
    parser.add_argument("--min_rate", type=float, default=0.0, help="fewest characters a second")
    parser.add_argument("--max_rate", type=float, default=float("inf"), help="most characters a second")


def run(flags: argparse.Namespace) -> None:
    """Writes the manifest and reports how much of the speech it has, and why the rest is left out."""
    from jaxspeech.data.manifest import write_manifest
    from jaxspeech.data.pseudo_labels import Wanted, choose, read_transcripts, without_repeats

    if len(flags.transcripts) > 2:
        raise ConfigError(f"{flags.transcripts[2]}: give the transcripts of one model or of two")
    if flags.output.resolve() in [path.resolve() for path in flags.transcripts]:
        raise ConfigError(f"{flags.output}: would be overwritten; choose another --output")
    wanted = Wanted(**{name: getattr(flags, name) for name in Wanted._fields})
    first, *others = [without_repeats(list(read_transcripts(path))) for path in flags.transcripts]
    chosen, left_out = choose(first, others[0] if others else None, wanted)
    for why, count in left_out.most_common():
        print(f"left out: {count} of {len(first)} recordings, {why}")
    if not chosen:
        raise ManifestError(f"{flags.transcripts[0]}: none of {len(first)} transcripts is good enough")
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(flags.output, chosen)
    hours, total = (sum(line.get("duration") or 0 for line in lines) / 3600 for lines in (chosen, first))
    print(f"{flags.output}: {len(chosen)} of {len(first)} recordings, {hours:.2f} of {total:.2f} h")
