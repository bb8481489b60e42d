"""Estimates n-gram models: interpolated modified Kneser-Ney, with pruning, as KenLM's lmplz does.

a(w_1..w_n) = c(w_1..w_n)                                       if n is the highest order, or w_1 is <s>
              the number of different tokens before w_1..w_n    otherwise
D_n(k)      = k - (k + 1) t_1 t_{k+1} / ((t_1 + 2 t_2) t_k)     k = 1, 2, 3 or more; t_k: n-grams with a = k
p(w | h)    = (a(hw) - D_n(a(hw))) / sum_v a(hv)  +  b(h) p(w | h without its first token)
b(h)        = (sum of D_n(a(hv)) + sum of a(hv) of the pruned hv) / sum_v a(hv)
p(w)        = (a(w) - D_1(a(w))) / sum_v a(v)  +  b() / (number of different tokens + 2)       those, </s> and <unk>

The first term is 0 for a pruned n-gram, whose count c is at most the threshold of its order. <unk> has the second term
of p(w): it stands for all tokens that were in no text.

Sources: Chen & Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling" (1998); Heafield et al.,
"Scalable Modified Kneser-Ney Language Model Estimation" (2013).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxspeech.errors import LanguageModelError
from jaxspeech.ngrams.counts import count_ngrams, first_of_each, packing, sort_order
from jaxspeech.ngrams.model import BEGIN, UNKNOWN, NgramModel, NgramOrder, find_rows

# D(1), D(2), D(3) where the counts of a small corpus give none (KenLM's --discount_fallback).
FALLBACK = (0.5, 1.0, 1.5)
NO_PROBABILITY = -99 * np.log(10)  # of <s>, which is never predicted


class _Table(NamedTuple):
    """All n-grams of a length, sorted, with those that begin with several <s>.

    Attributes:
      adjusted: a; raw: c.
      endings: row of the last n - 1 tokens in the table below.
    """

    tokens: Int[np.ndarray, "M n"]
    adjusted: Int[np.ndarray, " M"]
    raw: Int[np.ndarray, " M"]
    endings: Int[np.ndarray, " M"]


def train_ngrams(
    texts: Iterable[Sequence[int]],
    *,
    order: int,
    vocab_size: int,
    prune: Sequence[int] = (),
    block_tokens: int = 1 << 21,
) -> NgramModel:
    """Estimates a model; `training` of the result says from how much, and with which discounts.

    Args:
      texts: the tokens of each text; they are read once.
      order: the highest one.
      vocab_size: V; every token is below it.
      prune: for each order, the count up to which its n-grams are left out; the last one is for all higher orders too.
        They must not decrease, and the first must be 0.
      block_tokens: see `counts`.

    Raises:
      LanguageModelError: there are no texts; `prune` is no such list.
    """
    prune = [*(prune or [0]), *[(prune or [0])[-1]] * order][:order]
    if prune[0] or sorted(prune) != list(prune):
        raise LanguageModelError(f"prune={' '.join(map(str, prune))}: it must begin with 0 and not decrease")
    counted = count_ngrams(texts, order, vocab_size, block_tokens=block_tokens)
    if not len(counted.counts):
        raise LanguageModelError("there are no texts to train on")
    form = packing(order, vocab_size)
    num_tokens = int(counted.counts.sum())
    tables = _tables(form.unpack(counted.words), counted.counts, vocab_size)
    orders: list[NgramOrder] = []
    discounts = []
    lower = np.zeros(0)
    for n, (table, threshold) in enumerate(zip(tables, prune, strict=True), start=1):
        real = np.ones(len(table.raw), bool)
        if n > 1:
            real = ~((table.tokens[:, 0] == BEGIN) & (table.tokens[:, 1] == BEGIN))
        discount, estimated = _discounts(table.adjusted[real])
        discounts.append({"values": discount[1:].tolist(), "estimated": estimated})
        lower = _add_order(orders, table, real, real & (table.raw > threshold), discount, lower)
    training = {
        "order": order,
        "prune": list(prune),
        "tokens": num_tokens,
        "discounts": discounts,
        "ngrams": [len(table.tokens) for table in orders],
    }
    return NgramModel(tuple(orders), vocab_size, training=training)


def _tables(tokens: Int[np.ndarray, "M n"], counts: Int[np.ndarray, " M"], vocab_size: int) -> list[_Table]:
    """Returns the tables of orders 1, 2, ...; each lower one holds the endings of the one above."""
    tables: list[_Table] = []
    adjusted = raw = counts
    while True:
        order = tokens.shape[1]
        if order == 1:
            tables.append(_Table(tokens, adjusted, raw, np.zeros(len(raw), np.int64)))
            return tables[::-1]
        words = packing(order - 1, vocab_size).pack(list(tokens[:, 1:].T.astype(np.int64)))
        by_ending = sort_order(words)
        first = first_of_each([word[by_ending] for word in words])
        different = np.diff(np.append(first, len(raw)))
        endings = np.empty(len(raw), np.int64)
        endings[by_ending] = np.repeat(np.arange(len(first)), different)
        tables.append(_Table(tokens, adjusted, raw, endings))
        tokens, raw = tokens[by_ending[first], 1:], np.add.reduceat(raw[by_ending], first)
        adjusted = np.where(tokens[:, 0] == BEGIN, raw, different)


def _add_order(
    orders: list[NgramOrder],
    table: _Table,
    real: Bool[np.ndarray, " M"],
    kept: Bool[np.ndarray, " M"],
    discount: Float[np.ndarray, " 4"],
    lower: Float[np.ndarray, " N"],
) -> Float[np.ndarray, " M"]:
    """Adds the table of the next order, and sets the backoffs of the one before; returns p of all n-grams."""
    tokens, adjusted, kept_real = table.tokens[real], table.adjusted[real].astype(np.float64), kept[real]
    first = first_of_each(tuple(tokens[:, :-1].T)) if tokens.shape[1] > 1 else np.zeros(1, np.int64)
    history = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(tokens))))
    total = np.add.reduceat(adjusted, first)
    taken = discount[np.minimum(table.adjusted[real], 3)]
    backoff = np.add.reduceat(np.where(kept_real, taken, adjusted), first) / total
    p = np.where(kept_real, adjusted - taken, 0) / total[history]
    if not orders:
        # <unk> and <s> are no n-grams of the texts, and the first of the order.
        unknown = backoff[0] / (len(tokens) + 1)
        p += unknown
        last = np.concatenate([[UNKNOWN], tokens[:, 0], [BEGIN]])
        log_probs = np.concatenate([[np.log(unknown)], np.log(p), [NO_PROBABILITY]])
        order = np.argsort(last)
        zeros = np.zeros(len(last))
        orders.append(NgramOrder(*_typed(zeros, last[order], log_probs[order], zeros)))
    else:
        p += backoff[history] * lower[table.endings[real]]
        before = find_rows(orders, tokens[first, :-1])
        orders[-1].backoffs[before[before >= 0]] = np.log(backoff[before >= 0])
        rows = np.flatnonzero(kept_real)
        parts = before[history[rows]], tokens[rows, -1], np.log(p[rows]), np.zeros(len(rows))
        orders.append(NgramOrder(*_typed(*parts)))
    all_probs = np.zeros(len(table.raw))
    all_probs[real] = p
    return all_probs


def _typed(prefixes: np.ndarray, tokens: np.ndarray, log_probs: np.ndarray, backoffs: np.ndarray) -> tuple:
    return (
        prefixes.astype(np.int64),
        tokens.astype(np.int32),
        log_probs.astype(np.float32),
        backoffs.astype(np.float32),
    )


def _discounts(adjusted: Int[np.ndarray, " M"]) -> tuple[Float[np.ndarray, " 4"], bool]:
    """Returns D(0) to D(3), and whether the counts gave them; a small or artificial corpus has none of some counts."""
    t = np.bincount(np.minimum(adjusted, 5), minlength=6).astype(np.float64)
    if t[1:4].all():
        y = t[1] / (t[1] + 2 * t[2])
        found = np.array([0.0, *(k - (k + 1) * y * t[k + 1] / t[k] for k in (1, 2, 3))])
        if (found >= 0).all():
            return found, True
    return np.array([0.0, *FALLBACK]), False
