"""Options for what a recogniser's search takes in besides the model's own scores: phrases and language models."""

import argparse
from pathlib import Path
from typing import Any

from jaxspeech.cli.parser import Parser
from jaxspeech.errors import ConfigError

OPTIONS = ("boost", "boost_weight", "language_model", "lm_weight")


def add_fusion(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--boost",
        metavar="FILE",
        help="phrases to prefer, such as names: one on each line (and its weight after a tab; less than 0 to avoid "
        'it), or a list as JSON. A manifest\'s line can have a list of its own, "boost": ["...", ...]',
    )
    parser.add_argument("--boost_weight", type=float, help="of all phrases; 1 if not given")
    parser.add_argument(
        "--language_model",
        metavar="FILE",
        help="a language model over the model's tokens: n-grams from jaxspeech ngram train, an ARPA file or NeMo's "
        ".nemo, or a model of the recipe language_model. Several with their weights: lm.jaxspeech:0.5,old.arpa:-0.2; a "
        "weight below 0 subtracts a model, and the name internal is that of the model inside a transducer",
    )
    parser.add_argument("--lm_weight", type=float, help="of the language model; 0.5 if not given")


def fusion_of(flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of `inference.options.FusionOptions` that are given."""
    given = {name: getattr(flags, name) for name in OPTIONS if getattr(flags, name) is not None}
    if "language_model" in given:
        given["language_model"] = models_of(given["language_model"])
    return given


def models_of(text: str) -> str | list[tuple[str, float]]:
    """Reads --language_model: one model, or several with their weights, FILE:WEIGHT,FILE:WEIGHT.

    Raises:
      ConfigError: one of several has no weight, or no name.
    """
    if Path(text).is_file():
        return text
    pairs = []
    for part in text.split(","):
        name, _, weight = part.rpartition(":")
        try:
            pairs.append((name, float(weight)))
        except ValueError:
            if part == text:
                return text
            raise ConfigError(
                f"--language_model={text}: {part!r} has no weight, as in {part or 'lm.ngram'}:0.5"
            ) from None
        if not name:
            raise ConfigError(f"--language_model={text}: {part!r} names no model, as in lm.ngram:0.5")
    return pairs
