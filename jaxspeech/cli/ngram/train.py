"""Trains an n-gram model over the tokens of a recogniser: interpolated modified Kneser-Ney, as KenLM.

  jaxspeech ngram train --model=model.jaxspeech --text=corpus.txt.gz --order=5 --prune=0,0,1 --output=lm.ngram
  jaxspeech ngram perplexity lm.ngram --model=model.jaxspeech --text=heldout.txt

Texts are read once and not kept: memory grows with the different n-grams. They should look as the recogniser writes:
same case, same punctuation. An output that ends in .nemo is for NeMo, one in .arpa or .arpa.gz for all that reads ARPA.
"""

import argparse
import re

from jaxspeech.cli.parser import Parser, at_least

EXAMPLE = "0,0,1"


def options(parser: Parser) -> None:
    """Adds the options."""
    from jaxspeech.cli.ngram.inputs import add_texts, add_tokenizer

    add_tokenizer(parser)
    add_texts(parser)
    parser.add_argument("--order", type=at_least(1), default=5, help="tokens of the longest n-grams; 5 by default")
    parser.add_argument(
        "--prune",
        type=_counts,
        default=[0],
        metavar=EXAMPLE,
        help="leave out n-grams that are seen at most so often, for each order, the last also for all higher ones; "
        "they may not decrease; nothing by default",
    )
    parser.add_argument("--output", required=True, metavar="LM", help=".ngram, .nemo, .arpa or .arpa.gz")
    parser.add_argument("--words", help="how an ARPA file spells tokens: pieces (by default), offset (for NeMo), ids")


def run(flags: argparse.Namespace) -> None:
    """Trains and writes the model, and prints a summary."""
    from jaxspeech.cli.ngram.inputs import find_texts, find_tokenizer, left_out, with_progress
    from jaxspeech.errors import ConfigError
    from jaxspeech.ngrams.file import MOST_ORDER
    from jaxspeech.ngrams.kneser_ney import train_ngrams
    from jaxspeech.ngrams.save import check_suffix, save_ngrams

    check_suffix(flags.output)
    if flags.order > MOST_ORDER:
        raise ConfigError(f"--order={flags.order}: the most is {MOST_ORDER}")
    tokenizer = find_tokenizer(flags)
    assert tokenizer is not None
    texts = find_texts(flags, tokenizer)
    model = train_ngrams(with_progress(texts), order=flags.order, vocab_size=tokenizer.vocab_size, prune=flags.prune)
    training = {**model.training, "texts": texts.texts, "words": texts.words}
    save_ngrams(flags.output, model._replace(pieces=tuple(tokenizer.pieces), training=training), words=flags.words)
    counts = " + ".join(f"{len(table.tokens):,}" for table in model.orders)
    print(
        f"{counts} n-grams of {training['tokens']:,} tokens in {texts.texts:,} texts{left_out(texts)}: {flags.output}"
    )


def _counts(value: str) -> list[int]:
    parts = re.split(r"[ ,]+", value.strip())
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{value!r} is no list of counts, as {EXAMPLE}")
    return [int(part) for part in parts]
