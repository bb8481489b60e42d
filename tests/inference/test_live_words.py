"""Speakers of words that arrive step by step, beside those of the whole recording."""

import numpy as np
import pytest

from jaxspeech.diarization.attribution import Activity
from jaxspeech.diarization.turns import Turn
from jaxspeech.inference.attributed import with_speakers
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.live_words import LiveWords
from jaxspeech.inference.speaker_formats import known_text
from jaxspeech.search.timestamps import TimedText, segment_times

SECONDS = 0.08
NAMES = ("speaker_0", "speaker_1")


def conversation(seconds=40.0, seed=0):
    """Words, the activity of two speakers who take turns of 2 s, and these turns."""
    rng = np.random.default_rng(seed)
    frames = round(seconds / SECONDS)
    who = (np.arange(frames) * SECONDS // 2 % 2).astype(int)
    activity = rng.uniform(0, 0.3, (frames, 2)).astype(np.float32)
    activity[np.arange(frames), who] += 0.6
    turns = [Turn(start, start + 2.0, NAMES[int(start // 2 % 2)]) for start in np.arange(0, seconds, 2.0).tolist()]
    starts = np.arange(0.4, seconds - 1, 0.4)
    words = [TimedText(f"w{i}", start, start + 0.24, 1.0) for i, start in enumerate(starts.tolist())]
    return words, activity, turns


def so_far(words, duration, offset=0.0):
    """The hypothesis of a recogniser that has heard so many seconds."""
    heard = tuple(word for word in words if word.end <= offset + duration)
    return Hypothesis("", duration=duration, words=heard, segments=tuple(segment_times(heard)))


@pytest.mark.parametrize(("delay", "offset"), [(0.0, 0.0), (1.04, 100.0), (-1.04, 0.0)])
def test_speakers_come_when_they_are_known_and_stay(delay, offset):
    """The diarizer is behind the recogniser, or ahead of it."""
    words, activity, turns = conversation()
    words = [word._replace(start=word.start + offset, end=word.end + offset) for word in words]
    live, fed, before = LiveWords(NAMES, frame_seconds=SECONDS, offset=offset), 0, []
    for heard in np.arange(1.2, 40.0, 0.24).tolist():
        known = min(max(int((heard - delay) / SECONDS), fed), len(activity))
        live.hear(activity[fed:known])
        fed = known
        found = live.spoken(so_far(words, heard, offset), turns[: int(heard / 2) + 1], final=False)
        names = [word.speaker for word in found.words]
        assert names[: len(before)] == before
        before = [name for name in names if name is not None]
        assert names[: len(before)] == before  # no gap
        sure = min(heard - 0.5, fed * SECONDS)
        assert len(before) >= sum(word.end <= offset + sure for word in words)
        late = sum(offset + live.known < word.end for word in found.words)
        assert names[len(names) - late :] == [None] * late
    live.hear(activity[fed:])
    found = live.spoken(so_far(words, 40.0, offset), turns, final=True)
    whole = [Turn(start + offset, end + offset, name) for start, end, name in turns]
    assert found == with_speakers(so_far(words, 40.0, offset), whole, Activity(activity, NAMES, SECONDS, offset))
    assert found.turns == tuple(whole)


def test_words_that_change_are_found_again():
    words, activity, turns = conversation()
    live = LiveWords(NAMES, frame_seconds=SECONDS)
    live.hear(activity)
    first = live.spoken(so_far(words, 10.0), turns, final=False)
    changed = [*words[:8], words[8]._replace(text="other"), *words[9:]]
    assert live.spoken(so_far(changed, 10.0), turns, final=False).words[8] == first.words[8]._replace(text="other")
    fewer = live.spoken(so_far(words[:3], 10.0), turns, final=False)
    assert [word.speaker for word in fewer.words] == [word.speaker for word in first.words[:3]]
    assert live.spoken(so_far(words, 10.0), turns, final=False) == first


def test_memory_does_not_grow_with_the_recording():
    live = LiveWords(NAMES, frame_seconds=SECONDS)
    for _ in range(100):
        live.hear(np.zeros((500, 2), np.float32))
    assert live.known == pytest.approx(4000) and len(live._activity) * SECONDS <= 121
    late = Hypothesis("", duration=4000.0, words=(TimedText("late", 3990.0, 3990.5, 1.0),), segments=())
    assert live.spoken(late, [Turn(3989.0, 3992.0, "speaker_1")], final=True).words[0].speaker is not None


def test_the_text_that_is_shown_ends_with_the_last_known_speaker():
    words = [TimedText(text, 0.0, 1.0, 1.0, name) for text, name in zip("abcd", ("x", None, "y", None), strict=True)]
    assert known_text(words) == "x: a\nb\ny: c" and known_text(words[3:]) == ""
