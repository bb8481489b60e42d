"""Makes turns of activity that is known, and obeys numbers of speakers and known speech."""

import itertools

import numpy as np
import pytest

from jaxspeech.audio.speech_segments import SegmentOptions
from jaxspeech.diarization.activity_turns import SETTINGS, turn_options, turns_of_activity
from jaxspeech.diarization.speaker_numbers import heard_at_all, speaker_numbers, with_most, within_speech
from jaxspeech.errors import ConfigError

FRAME = 0.08


def activity(*rows):
    """Frames of several speakers from (first, last, speaker, probability)."""
    found = np.full((100, 3), 0.05, np.float32)
    for first, last, speaker, probability in rows:
        found[first:last, speaker] = probability
    return found


def test_turns_and_their_confidences():
    p = activity((10, 20, 0, 0.9), (15, 30, 1, 0.7), (30, 40, 1, 0.9), (90, 100, 0, 0.8))
    turns, confidences = turns_of_activity(p, frame_seconds=FRAME, duration=7.95)
    assert turns == [(0.8, 1.6, "speaker_0"), (1.2, 3.2, "speaker_1"), (7.2, 7.95, "speaker_0")]
    np.testing.assert_allclose(confidences, [0.9, (15 * 0.7 + 10 * 0.9) / 25, 0.8], atol=1e-6)
    named, _ = turns_of_activity(p, frame_seconds=FRAME, names=["ann", "bob", "eve"])
    assert [turn.speaker for turn in named] == ["ann", "bob", "ann"]
    assert turns_of_activity(np.zeros((0, 4)), frame_seconds=FRAME, exclusive=True).turns == []
    assert turns_of_activity(np.zeros((50, 0)), frame_seconds=FRAME, exclusive=True).turns == []


@pytest.mark.parametrize("pad", [0.0, 0.1])
def test_exclusive_turns_are_those_of_the_more_probable(pad):
    rng = np.random.default_rng(0)
    p = np.repeat(rng.random((40, 3)), 5, axis=0).astype(np.float32)
    options = SegmentOptions(pad_onset=pad, pad_offset=pad)
    turns, _ = turns_of_activity(p, frame_seconds=FRAME, options=options, exclusive=True)
    both, _ = turns_of_activity(p, frame_seconds=FRAME, options=options)
    assert any(a.end > b.start for a, b in itertools.pairwise(both))
    for start, end, speaker in turns:
        for middle in np.arange(start + 0.005, end, 0.01):
            talking = [turn.speaker for turn in both if turn.start <= middle <= turn.end]
            best = max(talking, key=lambda name: p[min(int(middle / FRAME), len(p) - 1), int(name[-1])])
            assert speaker == best
    covered = sum(end - start for start, end, _ in turns)
    edges = np.zeros(1700, bool)
    for start, end, _ in both:
        edges[round(start * 100) : round(end * 100)] = True
    assert covered == pytest.approx(edges.sum() / 100, abs=1e-6)  # nothing that was said is lost
    assert all(a.end <= b.start + 1e-9 for a, b in itertools.pairwise(turns))


def test_settings_have_names():
    assert turn_options("v2-dihard3") == SETTINGS["v2-dihard3"]
    assert turn_options({"settings": "v2-dihard3", "onset": 0.7}).min_silence == 0.151
    assert turn_options({"settings": "v2-dihard3", "onset": 0.7}).onset == 0.7
    assert turn_options({"onset": 0.7}).min_silence == 0 and turn_options(None) == SegmentOptions()
    assert turn_options({"onset": 0.3}).offset == 0.3 and turn_options({"onset": 0.3, "offset": 0.4}).offset == 0.4
    with pytest.raises(ConfigError, match="postprocessing 'v2-dihard'; did you mean"):
        turn_options("v2-dihard")
    with pytest.raises(ConfigError, match="onse is not an option of segments; did you mean"):
        turn_options({"onse": 0.7})


def test_numbers_of_speakers_are_checked():
    assert speaker_numbers(3) == (3, 3) and speaker_numbers(None, 2, 4) == (2, 4) and speaker_numbers().least == 1
    for given, message in [
        ((0, None, None), "num_speakers is 0; it must be a whole number of 1 or more"),
        ((True, None, None), "num_speakers is True"),
        ((None, 5, 2), "min_speakers is 5, which is more than max_speakers, 2"),
        ((3, 2, None), "num_speakers is 3: leave out min_speakers"),
    ]:
        with pytest.raises(ConfigError, match=message):
            speaker_numbers(*given)


def speakers(p, **options):
    return {turn.speaker for turn in turns_of_activity(p, frame_seconds=FRAME, **options).turns}


def test_there_are_not_more_speakers_than_asked_for():
    p = activity((0, 40, 0, 0.9), (40, 70, 1, 0.9), (70, 80, 2, 0.9))
    p[70:80, 1] = 0.4
    found = with_most(p, 2)
    assert speakers(found) == {"speaker_0", "speaker_1"}
    assert (found[70:80, 1] > 0.5).all()  # what the third said is kept
    np.testing.assert_array_equal(with_most(p, 3), p)
    assert speakers(with_most(p, 1)) == {"speaker_0"}


@pytest.mark.parametrize("options", [SegmentOptions(), SegmentOptions(onset=0.7, offset=0.9, min_speech=0.5)])
def test_there_are_not_fewer_speakers_than_asked_for(options):
    p = activity((0, 40, 0, 0.95), (50, 60, 2, 0.3))
    for least in (1, 2, 3):
        forced = heard_at_all(p, least, options=options, frame_seconds=FRAME)
        for exclusive in (False, True):
            found = speakers(p, options=options, forced=forced, exclusive=exclusive)
            assert len(found) == least and (least == 1 or "speaker_2" in found)
    assert heard_at_all(activity(), 2, options=options, frame_seconds=FRAME) is None  # nobody speaks


def test_known_speech():
    p = activity((0, 40, 0, 0.9))
    p[60:70, 1] = 0.3
    found = within_speech(p, [(0.8, 1.6), (4.8, 5.6, "ann")], frame_seconds=FRAME)
    turns, _ = turns_of_activity(found, frame_seconds=FRAME)
    assert turns == [(0.8, 1.6, "speaker_0"), (4.8, 5.6, "speaker_1")]
