"""Windows of speech, and labelled windows as turns: properties, with loops beside arrays."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxspeech.diarization.subsegments import merge_overlaps, subsegments
from jaxspeech.diarization.turns import Turn, speakers_of, turns_of_labels
from jaxspeech.errors import ConfigError

SEGMENTS = st.lists(st.tuples(st.floats(0, 100), st.floats(0.001, 20)), max_size=6)


@given(SEGMENTS, st.sampled_from([(1.5, 0.75), (0.5, 0.25), (3.0, 1.5)]))
def test_windows_are_those_of_a_loop(spans, sizes):
    window, shift = sizes
    expected = []
    for number, (start, length) in enumerate(spans):
        end = start + length
        for k in range(max(math.ceil((end - start - window) / shift), 0) + 1):
            first = start + k * shift
            expected.append((first, min(first + window, start + (end - start)), number))
    expected = [x for x in expected if x[1] - x[0] > 0.05]
    found = subsegments(np.array([(a, a + b) for a, b in spans]).reshape(-1, 2), window=window, shift=shift)
    assert [
        (*times, number) for times, number in zip(found.times.tolist(), found.segment.tolist(), strict=True)
    ] == expected
    # The windows of a segment cover it.
    for number, (start, length) in enumerate(spans):
        own = found.times[found.segment == number]
        if length > 0.06:
            assert own[0, 0] == start and own[-1, 1] >= start + length - 0.05 - 1e-9
            assert (own[1:, 0] <= own[:-1, 1]).all()


@given(SEGMENTS)
def test_merged_segments_cover_the_same_time(spans):
    merged = merge_overlaps(np.array([(a, a + b) for a, b in spans]).reshape(-1, 2))
    assert (merged[1:, 0] >= merged[:-1, 1]).all()
    for moment in [x for a, b in spans for x in (a, a + b / 2)]:
        inside = any(a <= moment < a + b for a, b in spans)
        assert inside == bool(((merged[:, 0] <= moment) & (moment < merged[:, 1])).any())


@given(SEGMENTS, st.lists(st.integers(0, 2), min_size=40, max_size=40))
def test_turns_cover_the_windows_and_do_not_overlap(spans, labels):
    segments = merge_overlaps(np.array([(a, a + b) for a, b in spans]).reshape(-1, 2))
    times = subsegments(segments, window=0.5, shift=0.25).times[:40]
    labels = np.array(labels)[: len(times)]
    turns = turns_of_labels(times, labels)
    assert all(one.end <= other.start for one, other in itertools.pairwise(turns))
    assert all(turn.end > turn.start for turn in turns)
    assert speakers_of(turns) == sorted({f"speaker_{label}" for label in labels})
    assert not any(one.end == other.start and one.speaker == other.speaker for one, other in itertools.pairwise(turns))
    for (start, end), label in zip(times.tolist(), labels, strict=True):  # the middle of a window is its speaker's
        middle = (start + end) / 2
        [found] = [turn for turn in turns if turn.start <= middle <= turn.end][:1]
        assert found.speaker == f"speaker_{label}" or end - start < 0.5


def test_no_segments_and_wrong_sizes():
    assert turns_of_labels(np.zeros((0, 2)), np.zeros(0, int)) == []
    assert turns_of_labels(np.array([[0.0, 1.0]]), np.array([3]), prefix="s") == [Turn(0.0, 1.0, "s3")]
    with pytest.raises(ConfigError, match="the shift is 0"):
        subsegments(np.array([[0.0, 1.0]]), window=1.0, shift=0)
