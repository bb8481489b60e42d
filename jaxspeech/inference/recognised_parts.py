"""Recognises the parts of one recording: segments or chunks."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.inference.asking import Asking
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.decoding_again import DecodingAgain
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.part_tokens import row_of
from jaxspeech.inference.parts import predict_parts
from jaxspeech.inference.programs import Starting
from jaxspeech.search.tokens import Tokens
from jaxspeech.tasks.kinds import Recognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.types import Variables


class Recognised(NamedTuple):
    """What was recognised in the parts of a recording.

    Attributes:
      tokens: of each part, by its number; their frames count from the start of the recording.
      rest: the prediction for the recording without tokens.
      how: what the note says of parts whose texts failed, or "".
    """

    tokens: dict[int, Tokens]
    rest: Prediction
    how: str


class PartRecogniser(NamedTuple):
    """Recognises parts of one recording with one model.

    Attributes:
      recognition: the model.
      variables: of the model, with what the recording's search takes in (`inference.fusing`).
      programs: the compiled `tasks.prediction.predict`.
      batch_size: maximum number of parts in a batch.
      asking: what is asked of a model with prompts, for each part.
      recording: the recording.
      again: decodes parts again whose texts fail; None: all texts pass.
    """

    recognition: Recognition
    programs: Starting
    variables: Variables
    batch_size: int
    asking: Asking | None = None
    recording: Recording = Recording("")
    again: DecodingAgain | None = None

    def __call__(
        self, audio: Mapping[int, np.ndarray], first_frames: Mapping[int, int], *, alike: bool = False
    ) -> Recognised:
        """Recognises parts.

        Args:
          audio: samples of each part, by its number.
          first_frames: where each begins, in frames of the recording.
          alike: pad all parts to one length, so that they share batches.

        Raises:
          AudioError: a batch of parts does not fit in memory.
        """

        def arguments(shape: Shape) -> tuple[Any, ...]:
            if self.asking is None:
                return (self.variables,)
            return self.variables, *self.asking.of([self.recording.prompt] * len(shape.indices), shape.rows)

        options: Any = {"batch_size": self.batch_size, "sample_rate": self.recognition.sample_rate, "alike": alike}
        found = predict_parts(self.programs, audio, arguments, **options)
        how = ""
        if self.again is not None:
            chosen = self.again.parts(found, audio, dict.fromkeys(found, self.recording))
            found = {i: text.prediction for i, text in chosen.items()}
            if count := sum(bool(text.how) for text in chosen.values()):
                how = f", {count} of them again, as their texts repeated themselves or were improbable"
        languages = Counter[int]()
        for i, prediction in found.items():
            if prediction.language is not None:
                languages[int(prediction.language)] += len(audio[i])
        # Each part is transcribed in its own language; that of the recording is the one of the most speech.
        language = np.array([languages.most_common(1)[0][0]]) if languages else None
        # The times of the recording are as precise as the least precise of its parts.
        timings = [int(prediction.timing) for prediction in found.values() if prediction.timing is not None]
        timing = np.array([max(timings)]) if timings else None
        tokens = {i: row_of(found[i].tokens, first_frames[i]) for i in sorted(found)}
        return Recognised(tokens, Prediction(None, language=language, timing=timing), how)
