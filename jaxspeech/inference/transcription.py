"""Turns the rows that a recogniser predicted into hypotheses."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import SpeechError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.tokenizer import Tokenizer


def hypotheses(
    rows: Iterable[Row[Prediction]], recognition: Recognition, tokenizer: Tokenizer, wanted: Wanted
) -> Iterator[Hypothesis]:
    """Yields the transcript of each recording, or why there is none.

    Args:
      rows: predictions with tokens, and with log-probabilities where they are wanted.
      recognition: the model that predicted them.
      tokenizer: the model's tokenizer.
      wanted: timestamps, return_log_probs and on_error.
    """

    def make(row: Row[Prediction]) -> Hypothesis:
        duration = len(row.samples) / recognition.sample_rate
        hypothesis = Hypothesis(source=row.recording.source, duration=duration, note=row.note)
        if row.prediction is None or row.prediction.tokens is None:
            spans = () if wanted.timestamps else None
            nothing = np.zeros((0, recognition.vocab_size + 1), np.float32) if wanted.return_log_probs else None
            return hypothesis._replace(words=spans, segments=spans, chars=spans, log_probs=nothing)
        tokens = row.prediction.tokens
        real = slice(int(tokens.num_tokens))
        ids, confidence = tokens.ids[real].tolist(), tokens.confidence[real]
        hypothesis = hypothesis._replace(score=float(tokens.score)).with_tokens(tokenizer, ids, confidence)
        if wanted.timestamps:
            timed = TimedTokens(tokenizer, frame_seconds=recognition.frame_seconds, offset=row.recording.offset)
            timed.update(ids, tokens.starts[real], tokens.ends[real], confidence, duration=duration)
            hypothesis = hypothesis.with_times(timed)
        return hypothesis._replace(log_probs=frames_of(row.prediction))

    def failed(row: Row[Prediction], error: SpeechError) -> Hypothesis:
        return Hypothesis(source=row.recording.source, error=str(error))

    return results_of(rows, make, failed, on_error=wanted.on_error)


def frames_of(prediction: Prediction) -> Float[np.ndarray, "T W"] | None:
    """The log-probabilities of one row without its padding; None if they were not asked for."""
    if prediction.log_probs is None or prediction.num_frames is None:
        return None
    return prediction.log_probs[: prediction.num_frames].copy()  # so that the rest of its batch can be freed
