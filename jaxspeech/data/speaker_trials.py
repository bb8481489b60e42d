"""Leaves speakers out of a corpus, and draws trials (pairs of recordings) among them.

Half of the trials are of the same speaker. Of the others, half are of two speakers of the same sex, where the manifest
names it ("gender"), as they are the harder ones.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from typing import NamedTuple

import numpy as np

from jaxspeech.errors import ConfigError, ManifestError

# Two recordings of the same speaker at least.
LEAST_RECORDINGS = 2


class Recording(NamedTuple):
    """A recording of a known speaker; the sex is "" if it is not known."""

    path: str
    speaker: str
    sex: str = ""


class Trial(NamedTuple):
    """Whether two recordings are of the same speaker."""

    same: bool
    one: str
    other: str


def draw_speakers(recordings: Sequence[Recording], counts: Sequence[int], *, seed: int = 0) -> list[list[str]]:
    """Draws groups of speakers, each with the sexes in turn as far as there are any left.

    Args:
      recordings: those of the whole corpus.
      counts: the size of each group.
      seed: determines the draw.

    Raises:
      ConfigError: there are too few speakers with two recordings or more.
    """
    numbers: dict[str, int] = {}
    for recording in recordings:
        numbers[recording.speaker] = numbers.get(recording.speaker, 0) + 1
    sex_of = {recording.speaker: recording.sex for recording in recordings}
    usable = sorted(name for name, number in numbers.items() if number >= LEAST_RECORDINGS)
    if len(usable) < sum(counts):
        raise ConfigError(
            f"{sum(counts)} speakers are to be left out, but only {len(usable)} of {len(numbers)} have "
            f"{LEAST_RECORDINGS} recordings or more"
        )
    shuffled = [usable[i] for i in np.random.default_rng(seed).permutation(len(usable))]
    queues = [[name for name in shuffled if sex_of[name] == sex] for sex in sorted(set(sex_of.values()))]
    in_turn = [name for rank in zip_longest(*queues) for name in rank if name is not None]
    ends = np.cumsum([0, *counts]).tolist()
    return [sorted(in_turn[first:last]) for first, last in pairwise(ends)]


def draw_trials(recordings: Sequence[Recording], count: int, *, seed: int = 0) -> list[Trial]:
    """Draws trials without repetition; each speaker, and then each pair of speakers, is equally likely.

    Args:
      recordings: of the speakers who are left out.
      count: the number of trials; fewer where there are not so many pairs of a kind.
      seed: determines the draw.

    Raises:
      ManifestError: they are of one speaker, or no speaker has two recordings.
    """
    rng = np.random.default_rng(seed)
    of: dict[str, list[str]] = {}
    for recording in sorted(set(recordings)):
        of.setdefault(recording.speaker, []).append(recording.path)
    sex_of = {recording.speaker: recording.sex for recording in recordings}
    names = sorted(of)
    several = [(name, name) for name in names if len(of[name]) >= LEAST_RECORDINGS]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    if not several or not pairs:
        raise ManifestError("trials need two speakers or more, and two recordings of one of them")
    alike = [(a, b) for a, b in pairs if sex_of[a] and sex_of[a] == sex_of[b]]
    unlike = [pair for pair in pairs if pair not in set(alike)]
    half = count // 2
    of_two = count - half
    two = [(alike, of_two // 2), (unlike, of_two - of_two // 2)] if alike and unlike else [(pairs, of_two)]
    trials: list[Trial] = []
    for between, number in [(several, half), *two]:
        trials += _drawn(between, of, number, rng)
    return trials


def _drawn(
    between: Sequence[tuple[str, str]], of: Mapping[str, list[str]], count: int, rng: np.random.Generator
) -> Iterator[Trial]:
    """Yields up to `count` trials, one of each pair of speakers in turn."""
    queues = []
    for a, b in between:
        size = len(of[a]) * len(of[b])
        # More places than trials are needed, as half of a speaker's own pairs are those of the other order.
        places = rng.choice(size, min(size, 4 * (count // len(between) + 1) + len(of[a])), replace=False)
        found = ((a, b, int(i) // len(of[b]), int(i) % len(of[b])) for i in places)
        queues.append([(a, b, i, j) for a, b, i, j in found if a != b or i < j])
    while count and any(queues):
        for queue in queues:
            if queue and count:
                a, b, i, j = queue.pop()
                count -= 1
                yield Trial(a == b, of[a][i], of[b][j])
