"""Describes an n-gram model.

jaxspeech ngram info lm.ngram
"""

import argparse

from jaxspeech.cli.parser import Parser


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("lm", metavar="LM", help="a .ngram, .nemo or ARPA file")


def run(flags: argparse.Namespace) -> None:
    """Prints the description."""
    from jaxspeech.ngrams.file import tokenizer_hash
    from jaxspeech.ngrams.load import load_ngrams
    from jaxspeech.ngrams.model import SPECIAL

    model = load_ngrams(flags.lm)
    unigrams = int((model.orders[0].tokens >= 0).sum())
    of = f"tokenizer {tokenizer_hash(model.pieces)[:12]}" if model.pieces and not model.words else "unknown tokenizer"
    print(f"{flags.lm}: order {len(model.orders)}, " + (f"{unigrams:,} words" if model.words else of))
    if not model.words:
        print(f"  {model.vocab_size:,} tokens, of which {model.vocab_size - unigrams:,} have no unigram")
    for n, table in enumerate(model.orders, start=1):
        print(f"  {len(table.tokens):,} {n}-grams" + (f", {', '.join(SPECIAL)} among them" if n == 1 else ""))
    if training := model.training:
        about = [f"{training[key]:,} {key}" for key in ("texts", "words", "tokens") if key in training]
        print(f"  trained on {', '.join(about)}; pruned at {training.get('prune')}")
        for n, discount in enumerate(training.get("discounts", ()), start=1):
            values = ", ".join(f"{value:.3f}" for value in discount["values"])
            print(f"  discounts of {n}-grams: {values}" + ("" if discount["estimated"] else " (too few to estimate)"))
