"""Measures how well an n-gram model predicts texts.

  jaxspeech ngram perplexity lm.ngram --model=model.jaxspeech --text=heldout.txt

Perplexity is exp(-log p / count), where the end of each text counts as one more token or word. Perplexities per token
compare models of one tokenizer only; those per word compare any. An ARPA file over words needs no model, and its tokens
are its words.
"""

import argparse

from jaxspeech.cli.parser import Parser


def options(parser: Parser) -> None:
    """Adds the options."""
    from jaxspeech.cli.ngram.inputs import add_texts, add_tokenizer

    parser.add_argument("lm", metavar="LM", help="a .ngram, .nemo or ARPA file")
    add_tokenizer(parser)
    add_texts(parser)


def run(flags: argparse.Namespace) -> None:
    """Scores the texts and prints the perplexities."""
    from jaxspeech.cli.ngram.inputs import find_texts, find_tokenizer, left_out, with_progress
    from jaxspeech.errors import ConfigError
    from jaxspeech.ngrams.load import load_ngrams
    from jaxspeech.ngrams.scores import score_texts
    from jaxspeech.ngrams.texts import Words

    tokenizer = find_tokenizer(flags, needed=False)
    model = load_ngrams(flags.lm, tokenizer, over_words=True)
    encoder = Words(model.pieces) if model.words else tokenizer or find_tokenizer(flags)
    assert encoder is not None
    texts = find_texts(flags, encoder)
    scores = score_texts(model, with_progress(texts))
    if not scores.num_texts:
        raise ConfigError(f"there are no texts to score{left_out(texts)}")
    unknown = f", {scores.num_unknown:,} of them unknown to the model" if scores.num_unknown else ""
    print(
        f"perplexity {scores.perplexity():.2f} per token, {scores.perplexity(texts.words):.2f} per word: "
        f"{scores.num_texts:,} texts, {texts.words:,} words, {scores.num_tokens:,} tokens{unknown}{left_out(texts)}"
    )
