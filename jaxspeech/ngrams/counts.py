"""Counts the n-grams of a stream of texts, in memory that grows with the different n-grams, not with the texts.

Every text is <s> ... <s> tokens </s> with n - 1 of <s>, so that each token ends one n-gram. An n-gram is packed into as
few 64-bit numbers as its tokens need. Blocks of texts are counted by sorting, and merged when they are of similar size.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from jaxspeech.ngrams.model import BEGIN, END, LEAST

# Tokens of a block: 16 MB for each number of its n-grams.
BLOCK_TOKENS = 1 << 21
# Numbers stay below 2^63, so that sums and differences of neighbours are exact.
WORD_BITS = 63


class Counts(NamedTuple):
    """Different n-grams in lexicographic order, and how often each was there.

    Attributes:
      words: the numbers into which the tokens are packed, the first ones first.
    """

    words: tuple[Int[np.ndarray, " M"], ...]
    counts: Int[np.ndarray, " M"]


class Packing(NamedTuple):
    """How the tokens of n-grams of a length become numbers in the same order."""

    order: int
    bits: int

    def pack(self, columns: Sequence[Int[np.ndarray, " M"]]) -> tuple[Int[np.ndarray, " M"], ...]:
        """Packs the tokens at each place."""
        words: list[np.ndarray] = []
        for i, column in enumerate(columns):
            if i % self._in_word == 0:
                words.append(np.zeros(len(column), np.int64))
            words[-1] = (words[-1] << self.bits) | (column - LEAST)
        return tuple(words)

    def unpack(self, words: Sequence[Int[np.ndarray, " M"]]) -> Int[np.ndarray, "M n"]:
        """Returns the tokens of packed n-grams."""
        tokens = np.empty((len(words[0]), self.order), np.int32)
        for i in range(self.order):
            place = i // self._in_word
            after = min((place + 1) * self._in_word, self.order) - 1 - i
            tokens[:, i] = ((words[place] >> (after * self.bits)) & ((1 << self.bits) - 1)) + LEAST
        return tokens

    @property
    def _in_word(self) -> int:
        return WORD_BITS // self.bits


def packing(order: int, vocab_size: int) -> Packing:
    """Returns the packing of n-grams of a length over V tokens and <s>, </s> and <unk>."""
    return Packing(order, (vocab_size - LEAST - 1).bit_length())


def count_ngrams(
    texts: Iterable[Sequence[int]], order: int, vocab_size: int, *, block_tokens: int = BLOCK_TOKENS
) -> Counts:
    """Counts the n-grams of length `order` that end in a token or in </s>.

    Args:
      texts: the tokens of each text.
      vocab_size: V; every token is below it.
    """
    form = packing(order, vocab_size)
    runs: list[Counts] = []
    for block in _blocks(texts, order, block_tokens):
        ending = np.flatnonzero(block[order - 1 :] != BEGIN)
        words = form.pack([block[i : len(block) - order + 1 + i][ending] for i in range(order)])
        runs.append(_summed(Counts(words, np.ones(len(ending), np.int64))))
        while len(runs) > 1 and len(runs[-2].counts) < 2 * len(runs[-1].counts):
            runs.append(_merged([runs.pop(), runs.pop()]))
    if not runs:
        return Counts(form.pack([np.zeros(0, np.int64)] * order), np.zeros(0, np.int64))
    return _merged(runs)


def sort_order(words: Sequence[Int[np.ndarray, " M"]]) -> Int[np.ndarray, " M"]:
    """Returns the order that sorts packed n-grams; equal ones keep theirs."""
    return np.argsort(words[0], kind="stable") if len(words) == 1 else np.lexsort(words[::-1])


def first_of_each(words: Sequence[Int[np.ndarray, " M"]]) -> Int[np.ndarray, " N"]:
    """Returns where each different n-gram of sorted ones begins."""
    new = np.zeros(len(words[0]), bool)
    new[:1] = True
    for word in words:
        new[1:] |= word[1:] != word[:-1]
    return np.flatnonzero(new)


def _blocks(texts: Iterable[Sequence[int]], order: int, block_tokens: int) -> Iterator[Int[np.ndarray, " M"]]:
    """Joins texts, with their marks, into arrays of about `block_tokens`."""
    before = [BEGIN] * (order - 1)
    block: list[int] = []
    for text in texts:
        block += [*before, *text, END]
        if len(block) >= block_tokens:
            yield np.array(block, np.int64)
            block = []
    if block:
        yield np.array(block, np.int64)


def _summed(counts: Counts) -> Counts:
    """Adds up the counts of equal n-grams."""
    order = sort_order(counts.words)
    words = tuple(word[order] for word in counts.words)
    first = first_of_each(words)
    return Counts(tuple(word[first] for word in words), np.add.reduceat(counts.counts[order], first))


def _merged(runs: Sequence[Counts]) -> Counts:
    if len(runs) == 1:
        return runs[0]
    words = tuple(map(np.concatenate, zip(*(run.words for run in runs), strict=True)))
    return _summed(Counts(words, np.concatenate([run.counts for run in runs])))
