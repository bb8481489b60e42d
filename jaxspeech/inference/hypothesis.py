"""Hypothesis, the result of transcribing one recording."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.search.timestamps import TimedText
from jaxspeech.text.tokenizer import Tokenizer


class Hypothesis(NamedTuple):
    """A transcript, and the optional outputs that were asked for; the defaults say that nothing was recognised.

    Attributes:
      text: "" where nothing was recognised, also for recordings shorter than one encoder frame.
      score: log-probability of the chosen path.
      tokens: ids of the text, for `tokenizer.decode`.
      confidence: mean over the tokens, 0 to 1; 0 without tokens.
      duration: of the transcribed audio, in seconds.
      source: the file's path, or "array 0", "array 1", ...
      words, segments, chars: with `timestamps=True`, otherwise None: when each word, sentence and token was said, in
        seconds from the beginning of the file, also where only a part of it was transcribed. A pause of a second ends
        a sentence, like a full stop.
      log_probs: with `return_log_probs=True`, one row of V + 1 (the blank is last) for each encoder frame, in float32.
      note: one line that says how a recording too long for one pass of full attention was transcribed.
      error: with `on_error="skip"`, one line that says why the recording could not be transcribed.
    """

    text: str = ""
    score: float = 0.0
    tokens: tuple[int, ...] = ()
    confidence: float = 0.0
    duration: float = 0.0
    source: str = ""
    words: tuple[TimedText, ...] | None = None
    segments: tuple[TimedText, ...] | None = None
    chars: tuple[TimedText, ...] | None = None
    log_probs: np.ndarray | None = None
    note: str | None = None
    error: str | None = None

    def with_tokens(self, tokenizer: Tokenizer, ids: Sequence[int], confidence: Any) -> "Hypothesis":
        """A copy with these tokens and their text; `confidence` has one value per token."""
        sure = float(np.mean(confidence)) if len(ids) else 0.0
        return self._replace(text=tokenizer.decode(list(ids)), tokens=tuple(ids), confidence=sure)

    def with_times(self, timed: TimedTokens) -> "Hypothesis":
        """A copy with words, segments and chars."""
        return self._replace(words=tuple(timed.words), segments=tuple(timed.segments), chars=tuple(timed.chars))
