"""Finds the speakers of words while both are still arriving; a word that has a speaker keeps it.

A word gets its speaker as soon as the activity of the speakers is known until its end, and the word cannot grow.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.attribution import FURTHEST_SECONDS, Activity, word_speakers
from jaxspeech.diarization.turns import Turn
from jaxspeech.inference.attributed import divided
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.search.timestamps import TimedText

# The last word so far is complete once nothing was recognised for so many seconds after it.
COMPLETE_SECONDS = 0.5
# Activity before the last word that has a speaker is kept for so many seconds, and of a pause as much.
KEPT_SECONDS, MOST_KEPT_SECONDS = 1.0, 120.0


class LiveWords:
    """The words of one live recording, with the speakers that are known.

    Attributes:
      known: seconds of the recording of which the activity is known.
    """

    def __init__(self, speakers: Sequence[str], *, frame_seconds: float, offset: float = 0.0):
        """Begins a recording.

        Args:
          speakers: the name of each column of the activity.
          frame_seconds: time of a frame of it, in seconds.
          offset: time of the first frame, from which the times of words count, in seconds.
        """
        self.known = 0.0
        self._speakers, self._seconds, self._offset = tuple(speakers), frame_seconds, offset
        self._activity = np.zeros((0, len(self._speakers)), np.float32)  # from the frame `_first` on
        self._first = 0
        self._done: list[TimedText] = []

    def hear(self, probabilities: Float[np.ndarray, "T S"]) -> None:
        """Takes the activity of the next frames."""
        self._activity = np.concatenate([self._activity, probabilities])
        self.known = (self._first + len(self._activity)) * self._seconds
        last = self._done[-1].start - self._offset if self._done else 0.0
        kept = max(last - KEPT_SECONDS, self.known - MOST_KEPT_SECONDS)
        forgotten = max(int(kept / self._seconds) - self._first, 0)
        self._activity, self._first = self._activity[forgotten:], self._first + forgotten

    def spoken(self, hypothesis: Hypothesis, turns: Sequence[Turn], *, final: bool) -> Hypothesis:
        """Returns a hypothesis with the speakers of its words, as far as they are known, and the turns.

        Args:
          hypothesis: the transcript so far; its times count from `offset`.
          turns: so far, in the same seconds as the activity.
          final: whether nothing will be added to the hypothesis and the turns.
        """
        words = hypothesis.words or ()
        shifted = tuple(Turn(start + self._offset, end + self._offset, name) for start, end, name in turns)
        self._forget_changed(words)
        begin, end = len(self._done), len(self._done)
        heard = self._offset + hypothesis.duration
        while end < len(words) and (final or self._is_complete(words, end, heard)):
            end += 1
        new = words[begin:end]
        if new:
            times = np.array([(word.start, word.end) for word in new])
            reach = times[0, 0] - FURTHEST_SECONDS - 1.0
            near = [turn for turn in shifted if turn.end >= reach]
            first = self._offset + self._first * self._seconds
            activity = Activity(self._activity, self._speakers, self._seconds, first) if len(self._activity) else None
            before = self._done[-1].speaker if self._done else None
            names = word_speakers(times, near, activity, before=before)
            self._done += [word._replace(speaker=name) for word, name in zip(new, names, strict=True)]
        named = [word._replace(speaker=done.speaker) for word, done in zip(words, self._done, strict=False)]
        spoken = (*named, *words[end:])
        return hypothesis._replace(words=spoken, segments=divided(spoken, hypothesis.segments or ()), turns=shifted)

    def _is_complete(self, words: Sequence[TimedText], place: int, heard: float) -> bool:
        """Whether the activity of a word is known, and the word cannot grow."""
        end = words[place].end
        grown = place + 1 < len(words) or heard >= end + COMPLETE_SECONDS
        return bool(grown and self._offset + self.known >= end)

    def _forget_changed(self, words: Sequence[TimedText]) -> None:
        """Forgets the speakers of words that the recogniser has revised."""
        for place, done in enumerate(self._done):
            if place >= len(words) or words[place].start != done.start or not words[place].text.startswith(done.text):
                del self._done[place:]
                return
