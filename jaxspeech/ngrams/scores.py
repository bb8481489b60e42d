"""Computes the probability of texts on the host, for many tokens at once."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.ngrams.graph import ROOT, to_graph
from jaxspeech.ngrams.model import BEGIN, END, NgramModel, find_rows

BLOCK_TOKENS = 1 << 18


class Scores(NamedTuple):
    """What a model says about texts.

    Attributes:
      log_prob: log p of all of them with their ends, in nats.
      num_texts, num_tokens: how many, without the ends.
      num_unknown: tokens without a unigram.
    """

    log_prob: float
    num_texts: int
    num_tokens: int
    num_unknown: int

    def perplexity(self, count: int | None = None) -> float:
        """exp(-log p / (count + texts)); `count` is the number of tokens by default, and may be one of words."""
        count = self.num_tokens if count is None else count
        return math.exp(min(-self.log_prob / max(count + self.num_texts, 1), 690.0))


def score_texts(model: NgramModel, texts: Iterable[Sequence[int]], *, block_tokens: int = BLOCK_TOKENS) -> Scores:
    """Scores texts, each from <s> to </s>, in memory that does not depend on their number."""
    order, missing = len(model.orders), float(to_graph(model).backoff_weights[ROOT])
    log_prob, counts = 0.0, np.zeros(3, np.int64)
    block: list[int] = []

    def score() -> None:
        nonlocal log_prob
        marked = np.array(block, np.int64)
        ending = np.flatnonzero(marked[order - 1 :] != BEGIN)
        windows = np.stack([marked[i : len(marked) - order + 1 + i][ending] for i in range(order)], axis=1)
        found = token_log_probs(model, windows, missing)
        log_prob += float(found.sum(dtype=np.float64))
        last = windows[:, -1]
        unknown = find_rows(model.orders, last[:, None]) < 0
        counts[:] += ((last == END).sum(), (last != END).sum(), unknown.sum())
        block.clear()

    for text in texts:
        block += [*[BEGIN] * max(order - 1, 1), *text, END]
        if len(block) >= block_tokens:
            score()
    if block:
        score()
    return Scores(log_prob, *map(int, counts))


def token_log_probs(model: NgramModel, windows: Int[np.ndarray, "M n"], missing: float) -> Float[np.ndarray, " M"]:
    """Returns log p of the last token of each window after those before it.

    Args:
      windows: as many tokens as the highest order; a text begins after any number of <s>.
      missing: log p of a token without a unigram, in an empty history.
    """
    order = windows.shape[1]
    total = np.zeros(len(windows))
    found = np.zeros(len(windows))
    rows = np.arange(len(windows))
    for start in range(order):
        table = model.orders[order - start - 1]
        place = find_rows(model.orders, windows[rows, start:])
        hit = place >= 0
        found[rows[hit]] = total[rows[hit]] + table.log_probs[place[hit]]
        rows = rows[~hit]
        if start + 1 < order:
            context = find_rows(model.orders, windows[rows, start:-1])
            backoffs = model.orders[order - start - 2].backoffs
            total[rows] += np.where(context >= 0, backoffs[context], 0)
    found[rows] = total[rows] + missing
    return found
