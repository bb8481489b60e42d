"""Converts an n-gram model: our files (.ngram), NeMo's (.nemo) and ARPA (.arpa, .arpa.gz), in any direction.

  jaxspeech ngram convert lm.arpa lm.ngram --model=model.jaxspeech
  jaxspeech ngram convert lm.ngram lm.nemo
  jaxspeech ngram convert lm.ngram lm.arpa --words=offset

What the words of an ARPA file are for the tokenizer is found out: NeMo's characters, pieces, or numbers.
"""

import argparse

from jaxspeech.cli.parser import Parser


def options(parser: Parser) -> None:
    """Adds the options."""
    from jaxspeech.cli.ngram.inputs import add_tokenizer

    parser.add_argument("input", metavar="INPUT", help="a .ngram, .nemo or ARPA file")
    parser.add_argument("output", metavar="OUTPUT", help="a name that ends in .ngram, .nemo, .arpa or .arpa.gz")
    add_tokenizer(parser)
    parser.add_argument("--words", help="of an ARPA file: offset (chr(token + 100), as NeMo writes), pieces or ids")


def run(flags: argparse.Namespace) -> None:
    """Writes the converted file."""
    from jaxspeech.cli.ngram.inputs import find_tokenizer
    from jaxspeech.errors import ConfigError
    from jaxspeech.ngrams.load import load_ngrams
    from jaxspeech.ngrams.save import check_suffix, save_ngrams

    check_suffix(flags.output)
    tokenizer = find_tokenizer(flags, needed=False)
    reads_words = not str(flags.output).endswith((".arpa", ".arpa.gz"))
    model = load_ngrams(flags.input, tokenizer, words=flags.words if reads_words else None)
    if model.words:
        raise ConfigError(f"{flags.input}: for which tokenizer? give --model=FILE or --tokenizer=FOLDER")
    save_ngrams(flags.output, model, words=None if reads_words else flags.words)
    print(f"{sum(len(table.tokens) for table in model.orders):,} n-grams: {flags.output}")
