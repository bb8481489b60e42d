"""What transcribing one recording gives."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.search.timestamps import TimedText, segment_times, token_times, word_times
from jaxspeech.text.tokenizer import Tokenizer


class Hypothesis(NamedTuple):
    """A transcript and what was asked for beside it.

    Attributes:
      text: "" where nothing was recognised, also in recordings shorter than one encoder frame.
      score: log-probability of the path that was chosen.
      tokens: ids of the text, for `tokenizer.decode`.
      confidence: mean over the tokens, 0 to 1; 0 without any.
      duration: of the transcribed audio, in seconds.
      source: the file's path, or "array 0", "array 1", ...
      words, segments, chars: with `timestamps=True`, otherwise None: when each word, sentence and token was said, in
        seconds from the beginning of the file, also where only a part of it was transcribed. A pause of a second ends
        a sentence as a full stop does.
      log_probs: with `return_log_probs=True`, one row of V + 1 (the blank is last) for each encoder frame, in float32.
      note: how a recording was transcribed that is too long for one pass of full attention, as one line.
      error: with `on_error="skip"`, why the recording could not be transcribed, as one line.
    """

    text: str
    score: float
    tokens: tuple[int, ...]
    confidence: float
    duration: float
    source: str
    words: tuple[TimedText, ...] | None = None
    segments: tuple[TimedText, ...] | None = None
    chars: tuple[TimedText, ...] | None = None
    log_probs: np.ndarray | None = None
    note: str | None = None
    error: str | None = None

    def with_tokens(
        self,
        tokenizer: Tokenizer,
        ids: Sequence[int],
        starts: Any,
        ends: Any,
        confidence: Any,
        *,
        frame_seconds: float,
        timestamps: bool,
        offset: float = 0.0,
    ) -> "Hypothesis":
        """The same, saying what these tokens spell and, with `timestamps`, when.

        Args:
          tokenizer: of the ids.
          ids: of one recording, as many as there are.
          starts, ends: first frame of each token, and the frame behind its last.
          confidence: of each token.
          frame_seconds: seconds of audio for one frame.
          timestamps: fill words, segments and chars.
          offset: of the first frame, in seconds.
        """
        said = self._replace(
            text=tokenizer.decode(list(ids)),
            tokens=tuple(ids),
            confidence=float(np.mean(confidence)) if len(ids) else 0.0,
        )
        if not timestamps:
            return said
        # A token's last frame may reach beyond the audio, a TDT's duration far beyond.
        times = (starts, np.minimum(ends, self.duration / frame_seconds), confidence)
        seconds: dict[str, Any] = {"frame_seconds": frame_seconds, "offset": offset}
        words = word_times(tokenizer.word_spans(list(ids)), *times, **seconds)
        chars = token_times([tokenizer.pieces[i] for i in ids], *times, **seconds)
        return said._replace(words=tuple(words), segments=tuple(segment_times(words)), chars=tuple(chars))
