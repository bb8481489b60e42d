"""Transcribes a long recording in segments cut at its silences, and joins their tokens.

The model never sees more than one segment, as in most of its training, and silence is not transcribed at all.
"""

from collections import Counter
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.audio.segments import cut_at_silences
from jaxspeech.audio.voice_activity import VoiceActivity
from jaxspeech.inference.asking import Asking, Ids
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.decoding_again import DecodingAgain
from jaxspeech.inference.parts import predict_parts
from jaxspeech.inference.programs import Programs
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.char import SPACE
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


class Segmented:
    """Predicts segments with one model.

    Args:
      recognition: the model.
      tokenizer: the model's tokenizer; if it has a space, that separates the segments' texts.
      programs: the compiled `tasks.prediction.predict`.
    """

    def __init__(self, recognition: Recognition, tokenizer: Tokenizer, programs: Programs):
        self._recognition, self._programs = recognition, programs
        self._space = tokenizer.pieces.index(SPACE) if SPACE in tokenizer.pieces else None

    def predict(
        self,
        variables: Variables,
        samples: Float[np.ndarray, " S"],
        voice_activity: VoiceActivity,
        *,
        batch_size: int,
        asking: Asking | None = None,
        prompt: Ids = (),
        again: DecodingAgain | None = None,
    ) -> tuple[Prediction, str]:
        """Predicts one recording (a batch of one), with frames counted from its start; also says how, for the note.

        Args:
          variables: the model's variables.
          samples: the recording.
          voice_activity: finds the speech.
          batch_size: maximum number of segments in a batch.
          asking, prompt: what is asked of a model with prompts, for each segment.
          again: decodes segments again whose texts fail; None: all texts pass.

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
        parts = enumerate(zip(first_frames, ends, strict=True))
        audio = {i: samples[a * frame : b] for i, (a, b) in parts if b - a * frame >= frame}

        def beside(shape: Shape) -> tuple[Any, ...]:
            return () if asking is None else asking.of([prompt] * len(shape.indices), shape.rows)

        found = predict_parts(self._programs, variables, audio, beside, batch_size=batch_size, sample_rate=rate)
        note = f"in {len(spans)} segments between silences"
        if again is not None:
            chosen = again.parts(found, audio, dict.fromkeys(found, prompt))
            found = {i: text.prediction for i, text in chosen.items()}
            if count := sum(bool(text.how) for text in chosen.values()):
                note += f", {count} of them again, as their texts repeated themselves or were improbable"
        tokens = [_row(found[i].tokens, first_frames[i]) for i in sorted(found)]
        languages = Counter[int]()
        for i, prediction in found.items():
            if prediction.language is not None:
                languages[int(prediction.language)] += len(audio[i])
        # Each segment is transcribed in its own language; that of the recording is the one of the most speech.
        language = np.array([languages.most_common(1)[0][0]]) if languages else None
        return Prediction(_join(tokens, self._space), language=language), note


def _row(tokens: Any, first_frame: int) -> Tokens:
    """One row's tokens without padding, their frames counted from the start of the recording."""
    real = slice(int(tokens.num_tokens))
    return Tokens(
        ids=tokens.ids[real],
        num_tokens=tokens.num_tokens,
        starts=tokens.starts[real] + first_frame,
        ends=tokens.ends[real] + first_frame,
        confidence=tokens.confidence[real],
        score=tokens.score,
    )


def _join(parts: list[Tokens], space: int | None) -> Tokens:
    """Joins the tokens of all parts to a batch of one; the space between two parts spans the silence."""
    ids: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    confidence: list[float] = []
    for part in parts:
        if space is not None and ids and len(part.ids):
            ids.append(space)
            starts.append(ends[-1])
            ends.append(max(ends[-1], int(part.starts[0])))
            confidence.append(1.0)
        ids += part.ids.tolist()
        starts += part.starts.tolist()
        ends += part.ends.tolist()
        confidence += part.confidence.tolist()
    return Tokens(
        ids=np.array([ids], np.int32),
        num_tokens=np.array([len(ids)], np.int32),
        starts=np.array([starts], np.int32),
        ends=np.array([ends], np.int32),
        confidence=np.array([confidence], np.float32),
        score=np.array([sum(float(part.score) for part in parts)], np.float32),
    )
