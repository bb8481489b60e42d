"""Trains a tokenizer on transcripts.

  jaxspeech tokenizer --manifest=train.jsonl,more.jsonl --type=bpe --vocab_size=128 --output=tokenizer/
  jaxspeech tokenizer --manifest=english.jsonl,german.jsonl --languages=en,de --vocab_size=256 --output=tokenizer/

With --languages, each of them has a tokenizer of its own, trained on the lines with its name as "lang"; their tokens
follow one another.
The same texts give the same tokenizer, byte for byte.
"""

import argparse
import sys

from jaxspeech.cli.parser import Parser, at_least, names
from jaxspeech.cli.recordings import add_manifest
from jaxspeech.errors import ConfigError

# Texts that are left out are listed up to this number.
MOST_LISTED = 20


def options(parser: Parser) -> None:
    """Adds the options."""
    add_manifest(parser, help='JSON lines with a "text"; separate several manifests with commas')
    parser.add_argument(
        "--text", type=names, action="extend", default=[], metavar="FILE", help="text files, one transcript per line"
    )
    parser.add_argument("--type", default="bpe", choices=("bpe", "unigram", "char"), help="bpe by default")
    parser.add_argument(
        "--vocab_size",
        type=at_least(1),
        default=1024,
        help="number of tokens, with --languages of each language; 1024 by default",
    )
    parser.add_argument(
        "--languages",
        type=names,
        action="extend",
        default=[],
        metavar="LANG,...",
        help='one tokenizer for each of these languages, joined in this order; lines name theirs in "lang"',
    )
    parser.add_argument(
        "--special",
        type=names,
        action="extend",
        default=[],
        metavar="TOKEN,...",
        help="tokens that stand for themselves, such as <EOU>,<EOB>; not of --type=char",
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder for the tokenizer")


def run(flags: argparse.Namespace) -> None:
    """Trains and writes the tokenizer, and prints its size."""
    from jaxspeech.text.tokenizer import write_tokenizer
    from jaxspeech.text.train import read_texts, train_tokenizer
    from jaxspeech.text.train_languages import read_spoken, train_aggregate

    if not flags.manifest and not flags.text:
        raise ConfigError("on what is the tokenizer to be trained? give --manifest=IN.jsonl or --text=FILE")
    left_out: list[str] = []
    chosen = {"type": flags.type, "vocab_size": flags.vocab_size, "special": flags.special}
    if flags.languages:
        if flags.text:
            raise ConfigError('--languages: the lines of manifests name their "lang"; --text has none')
        texts = read_spoken(flags.manifest, report=left_out.append)
        tokenizer = train_aggregate(texts, flags.languages, **chosen)
    else:
        texts = read_texts(flags.manifest, flags.text, report=left_out.append)
        tokenizer = train_tokenizer(texts, **chosen)
    write_tokenizer(flags.output, tokenizer)
    for line in left_out[:MOST_LISTED]:
        print(line, file=sys.stderr)
    without = f", {len(left_out)} left out" if left_out else ""
    of = f" of {', '.join(flags.languages)}" if flags.languages else ""
    count = f"{tokenizer.vocab_size} tokens from {len(texts)} texts{without}"
    print(f"{flags.type} tokenizer{of} with {count}: {flags.output}")
