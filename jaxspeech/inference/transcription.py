"""Predicts a batch with a recogniser, and turns each row into a hypothesis."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rows import Row
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


class Outputs(NamedTuple):
    """Which parts of a prediction are computed."""

    tokens: bool = True
    log_probs: bool = False


class Prediction(NamedTuple):
    """A recogniser's prediction for a batch, or for one of its rows.

    Attributes:
      tokens: the best hypothesis of each row, if asked for.
      log_probs, num_frames: of each row, if asked for.
    """

    tokens: Tokens | None
    log_probs: Float[Any, "*B T W"] | None = None
    num_frames: Int[Any, "*B"] | None = None


def predict(
    recognition: Recognition,
    variables: Variables,
    samples: Float[Any, "B S"],
    num_samples: Int[Any, " B"],
    *,
    tokens: bool,
    log_probs: bool,
) -> Prediction:
    """Encodes and decodes padded recordings; the options are those of `Outputs`."""
    encoded, num_frames = recognition.encode(variables, samples, num_samples)
    found = recognition.decode(variables, encoded, num_frames) if tokens else None
    if not log_probs:
        return Prediction(found)
    assert recognition.log_probs is not None
    return Prediction(found, recognition.log_probs(variables, encoded), num_frames)


def hypotheses(
    rows: Iterable[Row[Prediction]], recognition: Recognition, tokenizer: Tokenizer, wanted: Wanted
) -> Iterator[Hypothesis]:
    """Yields the transcript of each recording.

    Args:
      rows: predictions with tokens, and with log-probabilities where they are wanted.
      recognition: the model that predicted them.
      tokenizer: the model's tokenizer.
      wanted: timestamps and return_log_probs.
    """
    for row in rows:
        if row.error is not None:
            yield Hypothesis.empty(row.recording.source, error=str(row.error))._replace(channel=row.recording.channel)
            continue
        duration = len(row.samples) / recognition.sample_rate
        hypothesis = Hypothesis.empty(row.recording.source, duration=duration)._replace(
            note=row.note, channel=row.recording.channel
        )
        if row.prediction is None or row.prediction.tokens is None:
            spans = () if wanted.timestamps else None
            nothing = np.zeros((0, recognition.vocab_size + 1), np.float32) if wanted.return_log_probs else None
            yield hypothesis._replace(words=spans, segments=spans, chars=spans, log_probs=nothing)
        else:
            tokens = row.prediction.tokens
            real = slice(int(tokens.num_tokens))
            ids, confidence = tokens.ids[real].tolist(), tokens.confidence[real]
            hypothesis = hypothesis._replace(score=float(tokens.score)).with_tokens(tokenizer, ids, confidence)
            if wanted.timestamps:
                timed = TimedTokens(tokenizer, frame_seconds=recognition.frame_seconds, offset=row.recording.offset)
                timed.update(ids, tokens.starts[real], tokens.ends[real], confidence, duration=duration)
                hypothesis = hypothesis.with_times(timed)
            yield hypothesis._replace(log_probs=frames_of(row.prediction))


def frames_of(prediction: Prediction) -> Float[np.ndarray, "T W"] | None:
    """The log-probabilities of one row without its padding; None if they were not asked for."""
    if prediction.log_probs is None or prediction.num_frames is None:
        return None
    return prediction.log_probs[: prediction.num_frames].copy()  # so that the rest of its batch can be freed
