"""A random n-gram model of about 120,000 n-grams, and random phrases, for the cases that search with them."""

import math
import tempfile
from pathlib import Path

import numpy as np

from jaxspeech.ngrams.graph import to_ngram
from jaxspeech.ngrams.load import from_arpa
from jaxspeech.search.ngram import Ngram
from jaxspeech.search.ngram_graph import pack
from jaxspeech.search.phrase_tree import phrase_graph


def random_arpa(vocab_size: int, *, bigrams: int = 20_000, trigrams: int = 100_000) -> str:
    """An ARPA file of random weights, in NeMo's spelling; its n-grams are closed under prefixes and suffixes."""
    rng = np.random.default_rng(0)
    shares = (np.arange(vocab_size) + 3.0) ** -1.0
    shares /= shares.sum()
    pairs = zip(rng.choice(vocab_size, bigrams, p=shares), rng.choice(vocab_size, bigrams, p=shares), strict=True)
    two = sorted({(int(x), int(y)) for x, y in pairs})
    following: dict[int, list[int]] = {}
    for x, y in two:
        following.setdefault(x, []).append(y)
    three = set()
    for _ in range(trigrams):
        x, y = two[int(rng.integers(len(two)))]
        if y in following:
            three.add((x, y, following[y][int(rng.integers(len(following[y])))]))

    def spell(*tokens: int) -> str:
        return " ".join(chr(token + 100) for token in tokens)

    lines = ["\\data\\", f"ngram 1={vocab_size + 3}", f"ngram 2={len(two)}", f"ngram 3={len(three)}", "", "\\1-grams:"]
    lines += ["-99\t<s>\t-0.3", "-2\t</s>", "-4\t<unk>"]
    lines += [f"{math.log10(shares[t]):.4f}\t{spell(t)}\t{-rng.random():.4f}" for t in range(vocab_size)]
    lines += ["", "\\2-grams:", *(f"{-3 * rng.random():.4f}\t{spell(*pair)}\t{-rng.random():.4f}" for pair in two)]
    lines += ["", "\\3-grams:", *(f"{-2 * rng.random():.4f}\t{spell(*triple)}" for triple in sorted(three))]
    return "\n".join([*lines, "", "\\end\\", ""])


def random_ngram(vocab_size: int, *, bigrams: int = 20_000) -> Ngram:
    """The model of `random_arpa`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.arpa"
        path.write_text(random_arpa(vocab_size, bigrams=bigrams), encoding="utf-8")
        return to_ngram(from_arpa(path, vocab_size=vocab_size, words="offset"))


def random_phrases(vocab_size: int, *, count: int = 200) -> Ngram:
    """A tree of phrases of 2 to 12 random tokens."""
    rng = np.random.default_rng(2)
    phrases = [rng.integers(vocab_size, size=rng.integers(2, 13)).tolist() for _ in range(count)]
    return pack(phrase_graph(phrases), vocab_size, probability=False)
