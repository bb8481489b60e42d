"""Times of each token, word and sentence of one recording, updated while it is still running."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from jaxspeech.search.timestamps import TimedText, merge, sentences, token_times, word_times
from jaxspeech.spacing import Attached
from jaxspeech.text.token_languages import token_languages, word_languages
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.text.utterance_marks import marks_of
from jaxspeech.text.words import WordSpan, token_words


class TimedTokens:
    """Tokens that arrive step by step, and the words and sentences that they form.

    Words and sentences that can no longer change are not recomputed: an update costs as much as the new tokens and the
    last sentence, however long the recording is.

    Args:
      tokenizer: of the token ids.
      frame_seconds: duration of one frame, in seconds.
      offset: time of the first frame, in seconds.

    Attributes:
      chars, words, segments: each token, word and sentence so far.
    """

    def __init__(self, tokenizer: Tokenizer, *, frame_seconds: float, offset: float = 0.0):
        self.chars: list[TimedText] = []
        self.words: list[TimedText] = []
        self.segments: list[TimedText] = []
        self._tokenizer = tokenizer
        self._seconds: dict[str, Any] = {"frame_seconds": frame_seconds, "offset": offset}
        self._word_starts: list[int | float] = []  # first token of each word; a fraction where it begins within a token
        self._segment_starts: list[int] = []  # first word of each sentence
        self._uncut = 0  # this many first tokens end within the audio of the last update

    def update(
        self, ids: Sequence[int], starts: Any, ends: Any, confidence: Any, *, duration: float, kept: int = 0
    ) -> None:
        """Takes all tokens so far.

        Args:
          ids: of the tokens.
          starts, ends: first frame of each, and the frame after its last.
          confidence: of each.
          duration: of the audio so far, in seconds; no time exceeds it.
          kept: this many first tokens have not changed since the last update.
        """
        kept = min(kept, self._uncut)
        # The last unchanged word may have grown, or have become a part of the one before it; and so may its sentence.
        word = max(bisect_left(self._word_starts, kept) - 2, 0)
        while word and self._word_starts[word] % 1:
            word -= 1
        token = int(self._word_starts[word]) if self._word_starts and self._word_starts[word] < kept else 0
        segment = max(bisect_right(self._segment_starts, word) - 1, 0)
        first = self._segment_starts[segment] if word else 0

        # A token's last frame may extend beyond the audio, and with the durations of a TDT far beyond it.
        heard = duration / self._seconds["frame_seconds"]
        times = (starts[token:], np.minimum(ends[token:], heard), confidence[token:])
        cut = np.flatnonzero(np.asarray(ends[token:]) > heard)
        self._uncut = token + int(cut[0]) if len(cut) else len(ids)
        spans = self._spans(ids[token:])
        if word and spans and isinstance(self.words[word].text, Attached):
            spans[0] = Attached(spans[0][0]), *spans[0][1:]
        new = list(ids[token:])
        chars = token_times([self._tokenizer.pieces[i] for i in new], *times, **self._seconds)
        self.chars[token:] = _spoken_in(chars, token_languages(self._tokenizer, new))
        found = word_times(spans, *times, **self._seconds)
        self.words[word:] = _spoken_in(found, word_languages(self._tokenizer, new, spans))
        self._word_starts[word:] = [token + start for _, start, _ in spans]
        parts = sentences(self.words[first:])
        self.segments[segment:] = map(merge, parts)
        self._segment_starts[segment:] = list(accumulate(map(len, parts), initial=first))[:-1]

    def _spans(self, ids: Sequence[int]) -> list[WordSpan]:
        """The words of tokens, without marks of the ends of utterances."""
        spans, marks = token_words(self._tokenizer, list(ids)), marks_of(self._tokenizer)
        if not marks:
            return spans
        cleaned: list[WordSpan] = []
        for word, first, stop in spans:
            for mark in marks.values():
                word = type(word)(word.replace(mark, ""))
            while stop - 1 > first and stop % 1 == 0 and ids[int(stop) - 1] in marks:
                stop -= 1  # a mark may come long after its word
            cleaned += [(word, first, stop)] if word else []
        return cleaned


def _spoken_in(texts: Sequence[TimedText], languages: Sequence[str | None]) -> list[TimedText]:
    """The same pieces of text with their languages."""
    if not any(languages):
        return list(texts)
    return [text._replace(language=language) for text, language in zip(texts, languages, strict=False)]
