"""Options that the verbs of n-gram models share: the tokenizer, and the texts."""

import argparse
import sys
from collections.abc import Iterator

from jaxspeech.cli.parser import Parser, names
from jaxspeech.cli.recordings import add_manifest
from jaxspeech.errors import ConfigError
from jaxspeech.ngrams.texts import Encoder, Texts
from jaxspeech.runtime.streams import is_terminal
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer

# Texts that are left out are listed up to this number.
MOST_LISTED = 20


def add_tokenizer(parser: Parser) -> None:
    """Adds --model and --tokenizer."""
    parser.add_argument("--model", help="the recogniser (.jaxspeech, .nemo or a name on the Hub) whose tokens count")
    parser.add_argument("--tokenizer", metavar="FOLDER", help="a tokenizer's folder or a .model file instead")


def add_texts(parser: Parser) -> None:
    """Adds --text and --manifest."""
    parser.add_argument(
        "--text",
        type=names,
        action="extend",
        default=[],
        metavar="FILE",
        help="text files, perhaps gzipped, with one text on each line; separate several with commas",
    )
    add_manifest(parser, help='JSON lines with a "text"; separate several manifests with commas')


def find_tokenizer(flags: argparse.Namespace, *, needed: bool = True) -> Tokenizer | None:
    """Returns the tokenizer that the command line names.

    Raises:
      ConfigError: it names none and one is needed, or two; or the model has none.
    """
    if flags.model and flags.tokenizer:
        raise ConfigError("give --model or --tokenizer, not both")
    if flags.tokenizer:
        return read_tokenizer(flags.tokenizer)
    if not flags.model:
        if needed:
            raise ConfigError("whose tokens? give --model=FILE, the recogniser, or --tokenizer=FOLDER")
        return None
    import jaxspeech

    tokenizer = getattr(jaxspeech.load(flags.model), "tokenizer", None)
    if tokenizer is None:
        raise ConfigError(f"{flags.model} has no tokenizer")
    return tokenizer


def find_texts(flags: argparse.Namespace, tokenizer: Encoder) -> Texts:
    """Returns the texts that the command line names; those that are left out are reported on stderr.

    Raises:
      ConfigError: it names none.
    """
    if not flags.text and not flags.manifest:
        raise ConfigError("which texts? give --text=FILE or --manifest=IN.jsonl")
    listed: list[str] = []

    def report(line: str) -> None:
        listed.append(line)
        if len(listed) <= MOST_LISTED:
            print(line, file=sys.stderr)

    return Texts(tokenizer, flags.text, flags.manifest, report=report)


def with_progress(texts: Texts) -> Iterator[list[int]]:
    """Yields the texts, with a bar on a terminal."""
    from tqdm import tqdm

    yield from tqdm(texts, unit=" texts", disable=not is_terminal(sys.stderr), leave=False, unit_scale=True)


def left_out(texts: Texts) -> str:
    """For a summary: how many texts were left out."""
    return f", {texts.left_out} left out" if texts.left_out else ""
