"""Transcribes a long recording in segments cut at its silences, and joins their tokens.

The model never sees more than one segment, as in most of its training, and silence is not transcribed at all.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.audio.segments import cut_at_silences
from jaxspeech.audio.voice_activity import VoiceActivity
from jaxspeech.inference.batching import plan_batches
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.char import SPACE
from jaxspeech.text.tokenizer import Tokenizer


class Segmented:
    """Predicts segments with one model.

    Args:
      recognition: the model.
      tokenizer: the model's tokenizer; if it has a space, that separates the segments' texts.
    """

    def __init__(self, recognition: Recognition, tokenizer: Tokenizer):
        self._recognition = recognition
        self._space = tokenizer.pieces.index(SPACE) if SPACE in tokenizer.pieces else None

    def predict(
        self,
        start: Callable[..., tuple[Prediction, str]],
        samples: Float[np.ndarray, " S"],
        voice_activity: VoiceActivity,
        *,
        batch_size: int,
        beside: tuple[Any, ...] = (),
    ) -> tuple[Prediction, str]:
        """Predicts one recording (a batch of one), with frames counted from its start; also says how, for the note.

        Args:
          start: predicts a batch of segments, as that of a `rows.Strategy`.
          samples: the recording.
          voice_activity: finds the speech.
          batch_size: maximum number of segments in a batch.
          beside: what the model takes beside the audio, one row, which is that of each segment.

        Raises:
          AudioError: a batch of segments does not fit in memory.
        """
        rate = self._recognition.sample_rate
        frame = round(self._recognition.frame_seconds * rate)
        spans = cut_at_silences(samples, rate, voice_activity(samples, rate))
        # Segments begin on frame boundaries of the recording, so that their frames match its own and none is in two.
        first_frames = [int(start * rate) // frame for start, _ in spans]
        borders = [*(first * frame for first in first_frames[1:]), len(samples)]
        ends = [min(round(end * rate), border) for (_, end), border in zip(spans, borders, strict=False)]
        audio = {i: samples[a * frame : b] for i, (a, b) in enumerate(zip(first_frames, ends, strict=True))}
        lengths = {i: len(part) for i, part in audio.items() if len(part) >= frame}
        found: dict[int, Tokens] = {}
        timing: list[int] = []
        for shape in plan_batches(lengths, batch_size=batch_size, sample_rate=rate):
            of_each = jax.tree.map(lambda x, rows=shape.rows: np.repeat(x, rows, axis=0), beside)
            prediction, _ = start(shape, audio, *of_each)
            tokens = jax.device_get(prediction.tokens)
            if prediction.timing is not None:
                timing += prediction.timing[: len(shape.indices)].tolist()
            for row, i in enumerate(shape.indices):
                found[i] = _row(tokens, row, first_frames[i])
        joined = _join([found[i] for i in sorted(found)], self._space)
        least = np.array([max(timing)], np.int32) if timing else None  # the least precise way that was used
        return Prediction(joined, timing=least), f"in {len(spans)} segments between silences"


def _row(tokens: Tokens, row: int, first_frame: int) -> Tokens:
    """One row's tokens without padding, their frames counted from the start of the recording."""
    real = slice(int(tokens.num_tokens[row]))
    return Tokens(
        ids=tokens.ids[row, real],
        num_tokens=tokens.num_tokens[row],
        starts=tokens.starts[row, real] + first_frame,
        ends=tokens.ends[row, real] + first_frame,
        confidence=tokens.confidence[row, real],
        score=tokens.score[row],
    )


def _join(parts: list[Tokens], space: int | None) -> Tokens:
    """Joins the tokens of all parts to a batch of one; the space between two parts spans the silence."""
    ids: list[int] = []
    starts: list[float] = []
    ends: list[float] = []
    confidence: list[float] = []
    for part in parts:
        if space is not None and ids and len(part.ids):
            ids.append(space)
            starts.append(ends[-1])
            ends.append(max(ends[-1], part.starts[0].item()))
            confidence.append(1.0)
        ids += part.ids.tolist()
        starts += part.starts.tolist()
        ends += part.ends.tolist()
        confidence += part.confidence.tolist()
    return Tokens(
        ids=np.array([ids], np.int32),
        num_tokens=np.array([len(ids)], np.int32),
        starts=np.array([starts]),  # frames of an attention decoder's tokens have fractions
        ends=np.array([ends]),
        confidence=np.array([confidence], np.float32),
        score=np.array([sum(float(part.score) for part in parts)], np.float32),
    )
