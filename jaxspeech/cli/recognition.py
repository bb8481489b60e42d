"""The options of a recogniser's search, of the verbs that transcribe."""

import argparse
import contextlib
from collections.abc import Sequence
from typing import Any

from jaxspeech.cli.fusion import add_fusion
from jaxspeech.cli.parser import Parser, at_least


def search_options(text: str) -> dict[str, Any]:
    """Parses NAME=VALUE,NAME=VALUE: numbers become numbers; the rest is checked where the search is built."""
    options: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise argparse.ArgumentTypeError(f"{part!r} is not NAME=VALUE, as in length_bonus=2")
        for number in (int, float, str):
            with contextlib.suppress(ValueError):
                options[name] = number(value)
                break
    return options


def search_of(flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of the search that the flags give, as `load` takes them."""
    return {name: getattr(flags, name) for name in ("head", "beam_size", "language", "search")}


def add_recognition(parser: Parser, *, long: Sequence[str]) -> None:
    """Adds the options of a recognizer's search, of what it takes in, and --long."""
    parser.add_argument("--head", choices=("transducer", "ctc"), help="which head of a hybrid model transcribes")
    parser.add_argument("--beam_size", type=at_least(1), help="texts that the search keeps; 1 is greedy search")
    parser.add_argument("--language", help="the language that is spoken, for a model with a softmax for each language")
    parser.add_argument(
        "--search",
        type=search_options,
        metavar="NAME=VALUE,...",
        help="further options of the search, such as length_bonus=2,candidates=64 of CTC with a beam",
    )
    add_fusion(parser)
    parser.add_argument(
        "--long",
        choices=long,
        default="auto",
        help="recordings of more than 40 s: all frames attend to all (full), to a window (local), or overlapping parts "
        "are encoded separately (buffered); auto uses the first of these that fits in memory, and reports it; with an "
        "attention decoder auto transcribes chunks of 30 to 40 s, and joins them"
        + ("; segments: cut at silences into at most 30 s, each transcribed separately" if "segments" in long else ""),
    )
