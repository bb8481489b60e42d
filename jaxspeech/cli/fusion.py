"""Options for what a recogniser's search takes in besides the model's own scores: phrases and language models."""

import argparse
from typing import Any

from jaxspeech.cli.parser import Parser

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
        help="an n-gram model over the model's tokens, from jaxspeech ngram train, an ARPA file or NeMo's .nemo",
    )
    parser.add_argument("--lm_weight", type=float, help="of the language model; 0.5 if not given")


def fusion_of(flags: argparse.Namespace) -> dict[str, Any]:
    """Returns the options of `inference.options.FusionOptions` that are given."""
    return {name: getattr(flags, name) for name in OPTIONS if getattr(flags, name) is not None}
