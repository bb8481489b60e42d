"""The options of `evaluate` that compare recognisers."""

import argparse

from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.errors import ConfigError

# A copy of the names in engines/engine.py, which is too slow to import for --help.
ENGINES = ("jaxspeech", "onnx-asr", "openai-whisper", "faster-whisper", "nemo", "command")


def add_comparison(parser: Parser) -> None:
    """Adds --compare, --engine and their options."""
    help = "manifests with transcripts of the same recordings by several recognisers, which are compared"
    parser.add_argument("--compare", type=names, action="extend", default=[], metavar="A.jsonl", help=help)
    parser.add_argument(
        "--engine",
        action="append",
        default=[],
        metavar="NAME:MODEL",
        help=f"a recogniser to run on --manifest in a process of its own, and to compare: {', '.join(ENGINES)}. MODEL "
        "is what it loads: a file, a folder (onnx-asr), or a name (base); of command a command line, {manifest} in it "
        "is a manifest, that prints a JSON line with text for each recording. Repeat it for each recogniser",
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="[NAME:]PYTHON",
        help="--engine: the Python of the environment in which an engine is installed (nemo:/opt/nemo/bin/python); "
        "without a name that of all but jaxspeech; this one by default",
    )
    help = "--engine: recordings that are transcribed before time is measured; four batches by default"
    parser.add_argument("--warm_up", type=at_least(0), help=help)


def compares(flags: argparse.Namespace) -> bool:
    """Whether the command line asks for a comparison.

    Raises:
      ConfigError: options of several kinds are mixed.
    """
    for name in ("python", "warm_up"):
        if not flags.engine and getattr(flags, name) not in (None, []):
            raise ConfigError(f"--{name} has no effect without --engine=NAME:MODEL")
    if not flags.compare and not flags.engine:
        return False
    what = "compare" if flags.compare else "engine"
    for name in ("model", "rttm", "seglst"):
        if getattr(flags, name):
            hint = "; a model of ours is --engine=jaxspeech:FILE" if name == "model" else ""
            raise ConfigError(f"--{name} has no effect with --{what}{hint}")
    return True
