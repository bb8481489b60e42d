"""Compares the transcripts of several systems for the same recordings: rates, significance, and where they differ."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from jaxspeech.evaluation.bootstrap import Interval, difference, interval
from jaxspeech.evaluation.matched_pairs import MatchedPairs, matched_pairs
from jaxspeech.text.error_rate import ErrorCounts, each_char_errors, each_word_errors, total
from jaxspeech.text.normalizers import Normalizer

# A smaller p is called significant.
SIGNIFICANT = 0.05


class SystemScores(NamedTuple):
    """The scores of one system: its normalised texts, errors of words in each utterance, and of all characters."""

    heard: Sequence[str]
    words: Sequence[ErrorCounts]
    characters: ErrorCounts
    interval: Interval | None

    @property
    def errors(self) -> ErrorCounts:
        return total(self.words)


class Pair(NamedTuple):
    """Two systems: the rate of `other` less that of `one`, its interval by bootstrap, and the matched-pair test."""

    one: str
    other: str
    difference: float
    interval: Interval | None
    test: MatchedPairs

    @property
    def significant(self) -> bool:
        return self.test.p < SIGNIFICANT


class Comparison(NamedTuple):
    """Several systems on one set.

    Attributes:
      said: the references, normalised.
      systems: by name, in the order given.
      pairs: of all systems.
      differing: the utterances whose numbers of errors differ most between systems, then those with different texts.
    """

    said: Sequence[str]
    systems: Mapping[str, SystemScores]
    pairs: Sequence[Pair]
    differing: Sequence[int]


def compare(references: Sequence[str], found: Mapping[str, Sequence[str]], normalizer: Normalizer) -> Comparison:
    """Compares systems.

    Args:
      references: of the utterances.
      found: the texts of each system for them.
      normalizer: of all texts.
    """
    said = [normalizer.apply(text) for text in references]
    systems = {}
    for name, texts in found.items():
        heard = [normalizer.apply(text) for text in texts]
        words = each_word_errors(said, heard)
        systems[name] = SystemScores(heard, words, total(each_char_errors(said, heard)), interval(words))
    pairs = []
    for one, other in combinations(systems, 2):
        a, b = systems[one], systems[other]
        rates = b.errors.rate - a.errors.rate if a.errors.length else 0.0
        test = matched_pairs(said, a.heard, b.heard)
        pairs.append(Pair(one, other, rates, difference(a.words, b.words), test))

    def spread(index: int) -> tuple[int, int]:
        errors = [system.words[index].errors for system in systems.values()]
        return max(errors) - min(errors), len({tuple(x.heard[index].split()) for x in systems.values()}) - 1

    order = sorted(range(len(said)), key=lambda index: (*(-x for x in spread(index)), index))
    return Comparison(said, systems, pairs, [index for index in order if any(spread(index))])
