"""The diarization error rate beside frames counted one by one, beside pyannote.metrics, and its rules one by one."""

import itertools
import random

import numpy as np
import pytest

from jaxspeech.diarization.turns import Turn, speakers_of
from jaxspeech.evaluation.diarization import DiarizationErrors, diarization_errors, total


def conversation(seed: int, *, speakers: int, own_overlap: bool = True) -> list[Turn]:
    """Random turns with times in tenths of a second."""
    rng = random.Random(seed)
    turns, ends = [], {}
    for _ in range(rng.randrange(0, 12)):
        start, speaker = rng.randrange(0, 300), f"s{rng.randrange(speakers)}"
        end = start + rng.randrange(1, 60)
        if own_overlap or all(end < a or b < start for a, b in ends.get(speaker, [])):
            ends.setdefault(speaker, []).append((start, end))
            turns.append(Turn(start / 10, end / 10, speaker))
    return turns


def by_frames(reference, found, *, collar, skip_overlap, scored):
    """The same by frames of 50 ms, whose boundaries are those of all turns, with all maps tried."""
    frames = np.arange(0, 800) * 0.05 + 0.025

    def active(turns):
        names = speakers_of(turns)
        rows = [[any(t.start < x < t.end for t in turns if t.speaker == name) for x in frames] for name in names]
        return np.array(rows, bool).reshape(len(names), len(frames))

    truth, guess = active(reference), active(found)
    boundaries = [x for turn in reference for x in turn[:2]]
    ends = boundaries + [x for turn in found for x in turn[:2]]
    stretches = scored if scored is not None else ([(min(ends), max(ends))] if ends else [])
    evaluated = np.array([any(a < x < b for a, b in stretches) for x in frames])
    kept = evaluated & np.array([all(abs(x - b) > collar for b in boundaries) for x in frames], bool)
    if skip_overlap:
        kept &= np.array([sum(t.start < x < t.end for t in reference) < 2 for x in frames])
    size = max(len(truth), len(guess))
    truth, guess = (np.pad(x, ((0, size - len(x)), (0, 0))) for x in (truth, guess))
    maps = list(itertools.permutations(range(size)))
    best = max(maps, key=lambda m: sum((truth[i] & guess[j] & evaluated).sum() for i, j in enumerate(m)))
    spoken, claimed = truth.sum(0), guess.sum(0)
    right = sum(truth[i] & guess[j] for i, j in enumerate(best)) if size else 0 * spoken
    parts = [spoken, np.maximum(spoken - claimed, 0), np.maximum(claimed - spoken, 0)]
    parts.append(np.minimum(spoken, claimed) - right)

    def jaccard(i, j):
        both, either = ((op(truth[i], guess[j]) & evaluated).sum() for op in (np.logical_and, np.logical_or))
        return 1 - both / either if either else 1.0

    speaking = [i for i in range(size) if (truth[i] & evaluated).any()]
    jer = min(sum(jaccard(i, m[i]) for i in speaking) for m in maps)
    return [0.05 * part[kept].sum() for part in parts], jer


@pytest.mark.parametrize("seed", range(12))
def test_errors_are_those_of_frames(seed):
    reference, found = conversation(seed, speakers=1 + seed % 4), conversation(seed + 100, speakers=1 + seed % 3)
    for collar, skip, scored in ((0.0, False, None), (0.2, True, None), (0.1, False, [(2.0, 11.0), (13.5, 25.0)])):
        ours = diarization_errors(reference, found, collar=collar, skip_overlap=skip, scored=scored)
        times, jer = by_frames(reference, found, collar=collar, skip_overlap=skip, scored=scored)
        assert ours[0] == pytest.approx(times[0], abs=1e-9)
        # Where several maps have the same time in common, the confusion may differ after the collars are left out.
        assert sum(ours[1:3]) == pytest.approx(sum(times[1:3]), abs=1e-9)
        assert ours.confusion == pytest.approx(times[3], abs=0.3 if collar else 1e-9)
        assert ours.jaccard == pytest.approx(jer, abs=1e-9)


def test_pyannote_agrees_where_its_rules_are_the_same():
    """On turns of one speaker that do not overlap each other, with overlap counted; its collar is the full width."""
    pytest.importorskip("pyannote.metrics")
    from pyannote.core import Annotation, Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

    def annotation(turns):
        found = Annotation()
        for i, (start, end, speaker) in enumerate(turns):
            found[Segment(start, end), i] = speaker
        return found

    for seed in range(20):
        reference = conversation(seed, speakers=3, own_overlap=False)
        found = conversation(seed + 100, speakers=4, own_overlap=False)
        if not reference or not found:
            continue
        edges = [x for turn in reference + found for x in turn[:2]]
        for collar in (0.0, 0.25):
            ours = diarization_errors(reference, found, collar=collar)
            theirs = DiarizationErrorRate(collar=2 * collar)(
                annotation(reference),
                annotation(found),
                uem=Timeline([Segment(min(edges), max(edges))]),
                detailed=True,
            )
            assert ours.scored == pytest.approx(theirs["total"], abs=1e-6)
            assert ours.missed == pytest.approx(theirs["missed detection"], abs=1e-6)
            assert ours.false_alarm == pytest.approx(theirs["false alarm"], abs=1e-6)
        whole = Timeline([Segment(min(edges), max(edges))])
        jer = JaccardErrorRate()(annotation(reference), annotation(found), uem=whole)
        assert diarization_errors(reference, found).jer <= jer + 1e-6


def test_rules():
    ann, bob = Turn(0.0, 4.0, "ann"), Turn(3.0, 8.0, "bob")
    renamed = [Turn(0.0, 4.0, "1"), Turn(3.0, 8.0, "0")]
    assert diarization_errors([ann, bob], renamed)[:4] == (9.0, 0.0, 0.0, 0.0)
    assert diarization_errors([ann, bob], renamed[:1])[:4] == (9.0, 5.0, 0.0, 0.0)
    assert diarization_errors([ann, bob], [], collar=0.25)[:3] == (7.0, 7.0, 0.0)
    assert diarization_errors([ann, bob], [], skip_overlap=True)[:3] == (7.0, 7.0, 0.0)
    # What lies outside of the reference is a false alarm, unless the scored stretches leave it out.
    late = [*renamed, Turn(9.0, 10.0, "0")]
    assert diarization_errors([ann, bob], late).false_alarm == 1.0
    assert diarization_errors([ann, bob], late, scored=[(0.0, 8.0)]).false_alarm == 0.0
    # Two turns of one speaker at a time are one speaker; turns without a duration are none.
    assert diarization_errors([ann, Turn(1.0, 2.0, "ann"), Turn(5.0, 5.0, "eve")], [ann])[:7] == (4, 0, 0, 0, 0, 1, 1)
    # The map is made before the collar is left out.
    split = [Turn(0.0, 1.0, "x"), Turn(1.0, 2.0, "y")]
    assert diarization_errors([Turn(0.0, 0.9, "a"), Turn(0.9, 2.0, "b")], split, collar=0.5).confusion == 0.0


def test_nobody_speaks_and_totals():
    nobody, someone = diarization_errors([], []), diarization_errors([], [Turn(0.0, 1.0, "a")])
    assert (nobody.der, nobody.jer, nobody.recordings) == (0.0, 0.0, 1)
    assert (someone.der, someone.jer, someone.count_errors) == (float("inf"), 1.0, 1)
    one = diarization_errors([Turn(0.0, 4.0, "a")], [Turn(0.0, 3.0, "b")])
    other = diarization_errors([Turn(0.0, 1.0, "a"), Turn(2.0, 3.0, "b")], [])
    both = total([one, other])
    assert both.der == pytest.approx(3 / 6) and both.jer == pytest.approx((0.25 + 2) / 3)
    assert (both.speakers, both.found, both.count_errors, both.recordings) == (3, 1, 2, 2)
    assert total([]) == DiarizationErrors()
