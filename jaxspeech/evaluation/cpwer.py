"""Scores who said what: word errors of speakers under the best one-to-one map of found speakers to true ones.

    cpWER = least over maps of (sum of edits of mapped speakers + words of all others) / words of the reference

The words of a speaker are those of its utterances, joined in the order of their starts. With a time limit (tcpWER), a
word can only be a hit or a substitution of one that is at about the same time: the words of an utterance share its time
by their numbers of characters; a found word is the middle of its share, widened by the collar on both sides.

Sources: S. Watanabe et al., CHiME-6, 2020 (cpWER); T. von Neumann et al., MeetEval, 2023 (tcpWER, whose rules and
defaults these are).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.turns import Utterance, speakers_of
from jaxspeech.text.canonical import comparable
from jaxspeech.text.error_rate import ErrorCounts

Number = int | float
# Seconds that MeetEval recommends for tcpWER.
DEFAULT_COLLAR = 5.0


class SpeakerWords(NamedTuple):
    """The words of one speaker, with the start and end of each in seconds."""

    words: list[str]
    times: Float[np.ndarray, "N 2"]


class SpeakerErrors(NamedTuple):
    """Word errors of a recording, or of several.

    Attributes:
      errors: substitutions, insertions and deletions together.
      length: number of words of the reference.
      missed: reference speakers whom no found speaker is mapped to.
      extra: found speakers who are mapped to nobody.
    """

    errors: int = 0
    length: int = 0
    missed: int = 0
    extra: int = 0

    @property
    def rate(self) -> float:
        """The error rate; without reference words 0, or inf with errors."""
        return ErrorCounts(self.errors, 0, 0, self.length).rate


def total(errors: Sequence[SpeakerErrors]) -> SpeakerErrors:
    """Adds the errors of recordings."""
    return SpeakerErrors(*map(sum, zip(*errors, strict=True))) if errors else SpeakerErrors()


def speaker_word_errors(
    reference: Sequence[Utterance], found: Sequence[Utterance], *, time_collar: Number | None = None
) -> SpeakerErrors:
    """Counts the word errors of one recording.

    Args:
      reference: what was said.
      found: what is to be scored.
      time_collar: of tcpWER, in seconds; None: cpWER.
    """
    truth, guess = _by_speaker(reference), _by_speaker(found)
    if time_collar is None:
        distance: Callable[[SpeakerWords, SpeakerWords], int] = _edits
    else:
        guess = [_middles(speaker, time_collar) for speaker in guess]
        distance = timed_edits
    costs = np.array([[distance(one, other) for other in guess] for one in truth], np.int64)
    costs = costs.reshape(len(truth), len(guess))
    sizes, claims = (np.array([len(x.words) for x in side], np.int64) for side in (truth, guess))
    # A speaker without a partner costs all of its words, which the map must weigh against the edits of a pair.
    row, column = linear_sum_assignment(costs - sizes[:, None] - claims)
    errors = int(sizes.sum() + claims.sum() + (costs[row, column] - sizes[row] - claims[column]).sum())
    return SpeakerErrors(errors, int(sizes.sum()), len(truth) - len(row), len(guess) - len(row))


def timed_edits(reference: SpeakerWords, found: SpeakerWords) -> int:
    """Counts the edits between words, of which only those that overlap in time can be hits or substitutions.

    Row by row of the table of least costs; a row's insertions are a running minimum, so that each row is a few array
    operations.
    """
    names = {word: i for i, word in enumerate(dict.fromkeys(reference.words + found.words))}
    one, other = (np.array([names[word] for word in x.words], np.int64) for x in (reference, found))
    steps = np.arange(len(other) + 1)
    costs: Int[np.ndarray, " M"] = steps
    for word, (start, end) in zip(one.tolist(), reference.times.tolist(), strict=True):
        near = (found.times[:, 0] < end) & (start < found.times[:, 1])
        pair = costs[:-1] + np.where(near, other != word, 2)  # apart: a deletion and an insertion
        best = np.minimum(costs + 1, np.append(costs[0] + 1, pair))
        costs = np.minimum.accumulate(best - steps) + steps
    return int(costs[-1])


def _by_speaker(utterances: Sequence[Utterance]) -> list[SpeakerWords]:
    found = []
    for speaker in speakers_of(utterances):
        said = sorted((x for x in utterances if x.speaker == speaker), key=lambda x: x.start)
        words = [comparable(x.words).split() for x in said]
        times = [_shares(x.start, x.end, part) for x, part in zip(said, words, strict=True)]
        found.append(SpeakerWords([word for part in words for word in part], np.concatenate(times)))
    return found


def _shares(start: Number, end: Number, words: Sequence[str]) -> Float[np.ndarray, "N 2"]:
    """Divides the time of an utterance among its words by their characters."""
    if not words:
        return np.zeros((0, 2))
    ends = np.cumsum([len(word) for word in words]) / sum(map(len, words))
    edges = start + np.append(0.0, ends) * (end - start)
    return np.stack([edges[:-1], edges[1:]], 1)


def _middles(speaker: SpeakerWords, collar: Number) -> SpeakerWords:
    middle = speaker.times.mean(1, keepdims=True)
    return SpeakerWords(speaker.words, middle + np.array([[-collar, collar]]))


def _edits(reference: SpeakerWords, found: SpeakerWords) -> int:
    return Levenshtein.distance(reference.words, found.words)
