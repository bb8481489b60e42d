"""Divides a live transcript into utterances while it grows: after a mark of the model, or after a silence.

    an utterance ends    with the token <EOU> or <EOB>, if the model has them (`text.utterance_marks`)
                         once no token was found for `end_silence` seconds after its last one (NeMo's stop_history_eou)
                         with the stream

Only the transcript is divided: the search and its state go through, so that the text does not change.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from jaxspeech.errors import ConfigError
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.utterance_marks import BACKCHANNEL, marks_of, spoken_text

Ending = Literal["mark", "backchannel", "silence", "stream"]


class LiveUtterance(NamedTuple):
    """An utterance of a live stream that is over.

    Attributes:
      text: without marks.
      start, end: of its first and last token, in seconds; a mark counts as a token.
      decided: when its end was known, in seconds of the stream.
      by: what ended it.
    """

    text: str
    start: float
    end: float
    decided: float
    by: Ending


class EndPointer:
    """The utterances of one stream.

    Args:
      tokenizer: of the tokens.
      end_silence: seconds without a token that end an utterance; None: only marks do.
      frame_seconds: of the model.
      offset: time of the first sample, in seconds.

    Attributes:
      utterances: those that are over.
    """

    def __init__(self, tokenizer: Tokenizer, *, end_silence: float | None, frame_seconds: float, offset: float = 0.0):
        self.utterances: tuple[LiveUtterance, ...] = ()
        self._tokenizer, self._silence = tokenizer, end_silence
        self._seconds, self._offset = frame_seconds, offset
        self._marks = marks_of(tokenizer)
        self._first = 0  # token of the utterance that is not over
        self._seen = 0  # tokens that are known to be no marks

    def update(
        self,
        ids: Sequence[int],
        starts: Sequence[int | float],
        ends: Sequence[int | float],
        *,
        heard: float,
        done: bool,
    ) -> None:
        """Takes all tokens so far.

        Args:
          ids: of the tokens; those of utterances that are over do not change.
          starts, ends: first frame of each, and the frame after its last.
          heard: seconds of the stream that were processed.
          done: whether nothing will be added.
        """
        for place in range(max(self._seen - 1, self._first), len(ids)):
            # A pause within what one step has found.
            if self._pauses(place, starts, ends):
                # Known once so much silence was heard, which is before the next token.
                self._close(
                    ids, starts, ends, place, ends[place - 1] * self._seconds + (self._silence or 0.0), "silence"
                )
            if ids[place] in self._marks:
                by = "backchannel" if self._marks[ids[place]] == BACKCHANNEL else "mark"
                self._close(ids, starts, ends, place + 1, heard, by)
        self._seen = len(ids)
        if self._first < len(ids):
            quiet = heard - ends[-1] * self._seconds
            if self._silence is not None and quiet >= self._silence and not done:
                self._close(ids, starts, ends, len(ids), heard, "silence")
            elif done:
                self._close(ids, starts, ends, len(ids), heard, "stream")

    def _pauses(self, place: int, starts: Sequence[int | float], ends: Sequence[int | float]) -> bool:
        if self._silence is None or place <= self._first:
            return False
        return (starts[place] - ends[place - 1]) * self._seconds >= self._silence

    def _close(
        self,
        ids: Sequence[int],
        starts: Sequence[int | float],
        ends: Sequence[int | float],
        stop: int,
        decided: float,
        by: Ending,
    ) -> None:
        first, self._first = self._first, stop
        text = spoken_text(self._tokenizer, ids[first:stop])
        if not text and by in ("silence", "stream"):
            return
        start, end = starts[first] * self._seconds, ends[stop - 1] * self._seconds
        over = LiveUtterance(text, self._offset + start, self._offset + end, self._offset + decided, by)
        self.utterances = (*self.utterances, over)


def check_end_silence(seconds: float | None) -> None:
    """Raises ConfigError unless these seconds can end an utterance."""
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"end_silence is {seconds}; it is the seconds without a token that end an utterance")
