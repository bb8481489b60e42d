"""Transcribes a long recording in segments cut at its silences, and joins their tokens.

The model never sees more than one segment, as in most of its training, and silence is not transcribed at all.
"""

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.audio.segments import cut_at_silences
from jaxspeech.audio.voice_activity import VoiceActivity
from jaxspeech.inference.batching import plan_batches
from jaxspeech.inference.part_tokens import join_tokens, row_of
from jaxspeech.inference.programs import Programs
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Outputs, Prediction
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
        self._recognition, self._tokenizer, self._programs = recognition, tokenizer, programs

    def predict(
        self,
        variables: Variables,
        samples: Float[np.ndarray, " S"],
        voice_activity: VoiceActivity,
        *,
        batch_size: int,
    ) -> tuple[Prediction, str]:
        """Predicts one recording (a batch of one), with frames counted from its start; also says how, for the note.

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
        for shape in plan_batches(lengths, batch_size=batch_size, sample_rate=rate):
            prediction, _ = self._programs.start(variables, shape, audio, **Outputs()._asdict())
            tokens = jax.device_get(prediction.tokens)
            for row, i in enumerate(shape.indices):
                found[i] = row_of(tokens, row, first_frames[i])
        joined = join_tokens([found[i] for i in sorted(found)], self._tokenizer)
        return Prediction(joined), f"in {len(spans)} segments between silences"
