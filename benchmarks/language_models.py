"""Measures n-gram models: reading a file of 120k n-grams, and queries of 64 histories over a vocabulary of 1024."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import measure
from jaxspeech.ngrams.graph import to_graph, to_ngram
from jaxspeech.ngrams.load import from_arpa
from jaxspeech.ngrams.model import NgramModel
from jaxspeech.search import ngram as queries


def lines(vocab_size: int, *, num_bigrams: int = 20_000, num_trigrams: int = 100_000) -> Iterator[str]:
    """Yields the ARPA file of shared/peer/bench_nemo_aed.py: random n-grams whose prefixes and endings are there."""
    generator = np.random.default_rng(0)
    p = 1 / (np.arange(vocab_size) + 3.0)
    p /= p.sum()
    first, second = (generator.choice(vocab_size, num_bigrams, p=p) for _ in range(2))
    bigrams = sorted(set(zip(first.tolist(), second.tolist(), strict=True)))
    following: dict[int, list[int]] = {}
    for x, y in bigrams:
        following.setdefault(x, []).append(y)
    trigrams = set()
    for _ in range(num_trigrams):
        x, y = bigrams[int(generator.integers(len(bigrams)))]
        if y in following:
            trigrams.add((x, y, following[y][int(generator.integers(len(following[y])))]))
    c = [chr(token + 100) for token in range(vocab_size)]
    yield f"\\data\\\nngram 1={vocab_size + 3}\nngram 2={len(bigrams)}\nngram 3={len(trigrams)}\n"
    yield "\n\\1-grams:\n-99\t<s>\t-0.3\n-2\t</s>\n-4\t<unk>\n"
    for token in range(vocab_size):
        yield f"{np.log10(p[token]):.4f}\t{c[token]}\t{-generator.random():.4f}\n"
    yield "\n\\2-grams:\n"
    for x, y in bigrams:
        yield f"{-3 * generator.random():.4f}\t{c[x]} {c[y]}\t{-generator.random():.4f}\n"
    yield "\n\\3-grams:\n"
    for x, y, z in sorted(trigrams):
        yield f"{-2 * generator.random():.4f}\t{c[x]} {c[y]} {c[z]}\n"
    yield "\n\\end\\\n"


def load(repeat: int, *, vocab_size: int = 1024) -> dict[str, Any]:
    """Reads the file and packs it for a search."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lm.arpa"
        path.write_text("".join(lines(vocab_size)), encoding="utf-8")

        def read() -> Any:
            return jax.block_until_ready(to_ngram(from_arpa(path, vocab_size=vocab_size, words="offset")))

        times = measure(read, repeat or 5)
        model = from_arpa(path, vocab_size=vocab_size, words="offset")
        return {**_sizes(model), "bytes": path.stat().st_size, **times}


def query(repeat: int, *, kind: str, vocab_size: int = 1024, batch_size: int = 64, count: int = 16) -> dict[str, Any]:
    """Queries for scores and next states: of all tokens, or of some tokens of each history and the best one's state."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lm.arpa"
        path.write_text("".join(lines(vocab_size)), encoding="utf-8")
        model = from_arpa(path, vocab_size=vocab_size, words="offset")
    ngram = to_ngram(model)
    generator = np.random.default_rng(0)
    states = jnp.asarray(generator.integers(0, len(to_graph(model).backoffs), batch_size), jnp.int32)
    tokens = jnp.asarray(generator.integers(0, vocab_size, (batch_size, count)), jnp.int32)

    @jax.jit
    def some(ngram: queries.Ngram, states: Any, tokens: Any) -> Any:
        found = queries.candidates(ngram, states, tokens)
        best = jnp.take_along_axis(tokens, found.argmax(-1)[:, None], axis=1)[:, 0]
        return found, queries.extend(ngram, states, best)

    advance = jax.jit(queries.advance)
    run = (lambda: advance(ngram, states)) if kind == "advance" else (lambda: some(ngram, states, tokens))
    times = measure(lambda: jax.block_until_ready(run()), repeat or 31)
    return {**_sizes(model), "batch": batch_size, "vocab": vocab_size, **times}


def _sizes(model: NgramModel) -> dict[str, int]:
    return {"order": len(model.orders), "ngrams": sum(len(table.tokens) for table in model.orders)}


CASES = {
    "lm_load": load,
    "lm_advance": partial(query, kind="advance"),
    "lm_candidates": partial(query, kind="candidates"),
}
GPU_CASES = {f"{name}_gpu": CASES[name] for name in ("lm_advance", "lm_candidates")}
