"""Speakers of words beside brute force: overlaps counted on a grid of milliseconds, means taken frame by frame."""

import math
from itertools import pairwise

import numpy as np
import pytest

from jaxspeech.diarization.attribution import FURTHEST_SECONDS, Activity, word_speakers
from jaxspeech.diarization.solo import solo_turns
from jaxspeech.diarization.turns import Turn

NAMES = ("ann", "bob", "eve")


def random_turns(seed, number=40):
    """Turns of 0.1 to 2 s at whole milliseconds, which overlap, also those of one speaker."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 30_000, number) / 1000
    return [Turn(a, a + rng.integers(100, 2000) / 1000, str(rng.choice(NAMES))) for a in starts.tolist()]


def on_grid(turns):
    """Whether each speaker speaks in each millisecond."""
    grid = np.zeros((40_000, len(NAMES)), bool)
    for start, end, name in turns:
        grid[round(start * 1000) : round(end * 1000), NAMES.index(name)] = True
    return grid


@pytest.mark.parametrize("seed", range(3))
def test_a_word_is_of_the_speaker_who_speaks_most_of_it(seed):
    turns, rng = random_turns(seed), np.random.default_rng(seed)
    starts = np.sort(rng.integers(0, 32_000, 200))
    times = np.stack([starts, starts + rng.integers(20, 900, 200)], 1)
    grid, checked = on_grid(turns), 0
    for (first, last), found in zip(times.tolist(), word_speakers(times / 1000, turns), strict=True):
        shares = grid[first:last].sum(0)
        if np.sum(shares == shares.max()) == 1:
            assert found == NAMES[shares.argmax()]
            checked += 1
    assert checked > 100


def test_between_turns_it_is_the_nearest_and_far_away_nobody():
    turns = [Turn(0.0, 1.0, "ann"), Turn(2.0, 3.0, "bob"), Turn(2.5, 2.6, "ann")]
    far = 3.1 + FURTHEST_SECONDS
    times = np.array([[1.1, 1.3], [1.7, 1.9], [1.9, 1.9], [3.2, 3.3], [far, far + 1]])
    assert word_speakers(times, turns) == ["ann", "bob", "bob", "bob", None]
    assert word_speakers(times, []) == [None] * 5 and word_speakers(times[:0], turns) == []


def test_of_equal_speakers_it_is_that_of_the_word_before():
    turns = [Turn(0.0, 4.0, "ann"), Turn(1.0, 6.0, "bob")]
    assert word_speakers(np.array([[4.5, 5.0], [2.0, 3.0]]), turns) == ["bob", "bob"]
    assert word_speakers(np.array([[0.0, 0.5], [2.0, 3.0]]), turns) == ["ann", "ann"]
    assert word_speakers(np.array([[2.0, 3.0]]), turns, before="bob") == ["bob"]
    # Two turns of one speaker at once are not twice as much speech.
    assert word_speakers(np.array([[0.0, 1.0]]), [Turn(0, 0.4, "ann"), Turn(0, 0.4, "ann"), Turn(0.4, 1, "bob")]) == [
        "bob"
    ]


def test_probabilities_decide_over_the_frames_of_a_word_and_one_before():
    rng, seconds = np.random.default_rng(0), 0.08
    probabilities = rng.uniform(0, 1, (50, 3))
    turns = [Turn(0.0, 4.0, name) for name in NAMES]
    frames = [(0, 2), (3, 4), (7, 7), (10, 25), (49, 50), (50, 52)]
    times = np.array(frames) * seconds
    expected = []
    for first, end in frames:  # NeMo's get_word_dict_content_offline
        end = end if end > first else first + 1
        first, end = (49, 50) if first >= 49 else (first, end)
        expected.append(NAMES[int(np.argmax(probabilities[max(first - 1, 0) : end].mean(0)))])
    # The order of the columns need not be that of the turns.
    activity = Activity(probabilities[:, ::-1], NAMES[::-1], seconds)
    assert word_speakers(times, turns, activity)[:4] == expected[:4]
    later = activity._replace(start=100.0)
    shifted = [Turn(start + 100, end + 100, name) for start, end, name in turns]
    assert word_speakers(times + 100, shifted, later) == word_speakers(times, turns, activity)
    # Who has no turn is no speaker, however probable; and a speaker without a column only where nobody else speaks.
    certain = Activity(np.tile([0.1, 0.2, 0.9], (50, 1)), NAMES, seconds)
    assert word_speakers(times, turns[:2], certain) == ["bob"] * 6
    assert set(word_speakers(times, [*turns[:1], Turn(0.0, 4.0, "zoe")], certain)) == {"ann"}


def test_solo_turns_are_where_one_speaks():
    turns = random_turns(5)
    grid = on_grid(turns)
    found = solo_turns(turns)
    alone = grid.sum(1) == 1
    assert np.array_equal(on_grid(found), grid & alone[:, None])
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert not any(a.end == b.start and a.speaker == b.speaker for a, b in pairwise(found))
    assert math.isclose(sum(turn.end - turn.start for turn in found), alone.sum() / 1000)
