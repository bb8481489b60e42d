"""Holds the n-grams of a language model as a trie, one sorted table for each order.

An n-gram is the row of its first n - 1 tokens in the table before and its last token, so that a row takes 16 bytes
whatever its order. The rows are in lexicographic order of their tokens.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxspeech.errors import LanguageModelError

# What can stand for a token; tokens are 0, 1, ...
BEGIN, END, UNKNOWN = -1, -2, -3
SPECIAL = {"<s>": BEGIN, "</s>": END, "<unk>": UNKNOWN}
LEAST = UNKNOWN


class NgramOrder(NamedTuple):
    """The n-grams of one length n, sorted by prefix and token.

    Attributes:
      prefixes: row of the first n - 1 tokens in the table of order n - 1; 0 for n = 1.
      tokens: the last token.
      log_probs: log p(token | prefix), natural.
      backoffs: natural logarithm of the weight of shorter histories after this one; zeros for the highest order.
    """

    prefixes: Int[np.ndarray, " N"]
    tokens: Int[np.ndarray, " N"]
    log_probs: Float[np.ndarray, " N"]
    backoffs: Float[np.ndarray, " N"]


class NgramModel(NamedTuple):
    """A backoff model: p(w | h) is that of the n-gram hw, or else backoff(h) p(w | h without its first token).

    Attributes:
      orders: the tables of n = 1, 2, ...
      vocab_size: V; tokens are below it.
      pieces: the spelling of each token; empty if it is not known.
      words: whether a token is a word, not a token of a recogniser.
      unknown_each: whether the probability of <unk> is that of each token that has no unigram, or of all together.
      training: anything about how it was made, JSON-serialisable.
    """

    orders: tuple[NgramOrder, ...]
    vocab_size: int
    pieces: tuple[str, ...] = ()
    words: bool = False
    unknown_each: bool = False
    training: Mapping[str, Any] = MappingProxyType({})

    def ngrams(self, order: int) -> Int[np.ndarray, "N n"]:
        """Returns the tokens of all n-grams of an order."""
        rows = np.arange(len(self.orders[order - 1].tokens))
        columns = []
        for table in reversed(self.orders[:order]):
            columns.append(table.tokens[rows])
            rows = table.prefixes[rows]
        return np.stack(columns[::-1], axis=1)


class Ngrams(NamedTuple):
    """N-grams of one length in any order: their tokens, log-probabilities and backoffs."""

    tokens: Int[np.ndarray, "N n"]
    log_probs: Float[np.ndarray, " N"]
    backoffs: Float[np.ndarray, " N"]


def build_orders(parts: Sequence[Ngrams], vocab_size: int) -> tuple[NgramOrder, ...]:
    """Sorts n-grams into tables, and adds the prefixes that a pruned model lacks.

    A prefix that is added has the probability that the model gives it anyway, and a backoff of 1. N-grams that no text
    can have are left out: <s> after the beginning, </s> before the end, or <unk>, which has no state.

    Args:
      parts: the n-grams of length 1, 2, ...

    Raises:
      LanguageModelError: an n-gram is there twice.
    """
    parts = [part if n == 1 else _possible(part) for n, part in enumerate(parts, start=1)]
    parts[-1] = parts[-1]._replace(backoffs=np.zeros(len(parts[-1].tokens)))  # nothing is longer
    for n in range(len(parts), 2, -1):
        parts[n - 2] = _with_prefixes(parts[n - 2], parts[n - 1].tokens[:, :-1], vocab_size)
    orders: list[NgramOrder] = []
    for part in parts:
        prefixes = find_rows(orders, part.tokens[:, :-1]) if orders else np.zeros(len(part.tokens), np.int64)
        keys = _keys(prefixes, part.tokens[:, -1], vocab_size)
        order = np.argsort(keys)
        if (twice := np.flatnonzero(np.diff(keys[order]) == 0)).size:
            raise LanguageModelError(f"the n-gram of the tokens {part.tokens[order[twice[0]]].tolist()} is there twice")
        table = NgramOrder(
            prefixes[order].astype(np.int64),
            part.tokens[order, -1].astype(np.int32),
            part.log_probs[order].astype(np.float32),
            part.backoffs[order].astype(np.float32),
        )
        _fill(orders, table, part.tokens[order])
        orders.append(table)
    return tuple(orders)


def find_rows(orders: Sequence[NgramOrder], tokens: Int[np.ndarray, "M n"]) -> Int[np.ndarray, " M"]:
    """Returns the row of each n-gram in the table of its order; -1 if it is not there."""
    rows = np.zeros(len(tokens), np.int64)
    vocab_size = max(int(orders[0].tokens.max(initial=0)), int(tokens.max(initial=0))) + 1
    for table, column in zip(orders, tokens.T, strict=False):
        keys = _keys(table.prefixes, table.tokens, vocab_size)
        wanted = _keys(rows, column, vocab_size)
        place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        rows = np.where((keys[place] == wanted) & (rows >= 0), place, -1) if len(keys) else np.full_like(rows, -1)
    return rows


def _keys(prefixes: np.ndarray, tokens: np.ndarray, vocab_size: int) -> Int[np.ndarray, " N"]:
    """One number for each n-gram, in lexicographic order."""
    return np.asarray(prefixes, np.int64) * (vocab_size - LEAST) + tokens - LEAST


def _possible(part: Ngrams) -> Ngrams:
    tokens = part.tokens
    wrong = (tokens[:, 1:] == BEGIN).any(1) | (tokens[:, :-1] == END).any(1) | (tokens == UNKNOWN).any(1)
    return part if not wrong.any() else Ngrams(*(field[~wrong] for field in part))


def _with_prefixes(part: Ngrams, prefixes: Int[np.ndarray, "M n"], vocab_size: int) -> Ngrams:
    """Adds those prefixes of longer n-grams that are missing, with NaN for their probability."""
    known = _numbers(np.concatenate([part.tokens, prefixes]), vocab_size)
    missing = ~np.isin(known[len(part.tokens) :], known[: len(part.tokens)])
    if not missing.any():
        return part
    _, first = np.unique(known[len(part.tokens) :][missing], return_index=True)
    added = prefixes[missing][first]
    return Ngrams(
        np.concatenate([part.tokens, added]),
        np.concatenate([part.log_probs, np.full(len(added), np.nan)]),
        np.concatenate([part.backoffs, np.zeros(len(added))]),
    )


def _numbers(rows: Int[np.ndarray, "M n"], vocab_size: int) -> Int[np.ndarray, " M"]:
    """One number for each different row."""
    number = np.zeros(len(rows), np.int64)
    for column in rows.T:
        number = _keys(number, column, vocab_size)
        if number.size and number.max() > (1 << 62) // (vocab_size - LEAST):
            number = np.unique(number, return_inverse=True)[1].astype(np.int64)
    return number


def _fill(orders: Sequence[NgramOrder], table: NgramOrder, tokens: Int[np.ndarray, "N n"]) -> None:
    """Gives added prefixes the probability of the model without them."""
    rows = np.flatnonzero(np.isnan(table.log_probs))
    length = tokens.shape[1]
    total = np.zeros(len(rows), np.float32)
    for start in range(1, length):
        if not rows.size:
            return
        context = find_rows(orders, tokens[rows, start - 1 : -1])
        total += np.where(context >= 0, orders[length - start - 1].backoffs[context], 0)
        found = find_rows(orders, tokens[rows, start:])
        hit = found >= 0
        table.log_probs[rows[hit]] = total[hit] + orders[length - start - 1].log_probs[found[hit]]
        rows, total = rows[~hit], total[~hit]
    if rows.size:
        raise LanguageModelError(f"the token {tokens[rows[0], -1]} has no unigram")


def check_tables(model: NgramModel) -> Bool[np.ndarray, ""] | bool:
    """Returns whether the tables of a file are those of a model: rows in range, in order, once each; real weights."""
    above = 1
    for table in model.orders:
        sizes = {len(field) for field in table}
        keys = _keys(table.prefixes, table.tokens, model.vocab_size)
        inside = (table.prefixes >= 0) & (table.prefixes < above)
        inside &= (table.tokens >= LEAST) & (table.tokens < model.vocab_size)
        real = (table.log_probs < np.inf).all() and np.isfinite(table.backoffs).all()
        if len(sizes) > 1 or not inside.all() or (np.diff(keys) <= 0).any() or not real:
            return False
        above = len(keys)
    return bool(model.orders) and model.vocab_size > 0
