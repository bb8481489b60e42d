"""Transcribes the speakers of a recording: a row for each, with the same samples and different masks."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.forms.streaming import streaming, what_prevents
from jaxspeech.inference.batching import Shape, padded_length
from jaxspeech.inference.hypothesis import Hypothesis, hypotheses
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.rows import Row
from jaxspeech.inference.speaker_streams import SpeakerStreams
from jaxspeech.inference.streaming import StreamPrograms, compile_streams
from jaxspeech.search.tokens import Tokens
from jaxspeech.speaker_masks import SpeakerMasks
from jaxspeech.tasks.kinds import TalkerRecognition
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables

# Longer recordings are encoded in parts of this length, by a model that can stream: memory does not grow with them.
PART_SECONDS = 40.0

Samples = Float[np.ndarray, " S"]


class SpeakerRows:
    """The compiled programs of one model.

    Args:
      task: the model's task.
      config: that it was built from.
      tokenizer: of the model.
    """

    def __init__(self, task: Any, config: dict[str, Any], tokenizer: Tokenizer):
        self._task, self._tokenizer = task, tokenizer
        self._model: TalkerRecognition = task.inference
        predict = partial(_predict, self._model)
        self._programs = Programs(
            task, predict, name="multitalker", config=config, outputs=(Prediction, Tokens, SpeakerMasks)
        )
        self._streams: dict[tuple[int, int | None, int | None], StreamPrograms] = {}

    def transcribe(
        self,
        variables: Variables,
        recording: Recording,
        samples: Samples,
        activity: Sequence[Float[np.ndarray, "M 2"]],
    ) -> list[Hypothesis]:
        """Transcribes what each speaker says.

        Args:
          variables: of the model.
          recording: whose samples they are.
          samples: at the model's rate.
          activity: of each speaker and the others, see `inference.activity`.
        """
        long = len(samples) > PART_SECONDS * self._model.sample_rate and not what_prevents(self._task)
        return (self._in_parts if long else self._whole)(variables, recording, samples, activity)

    def _whole(
        self, variables: Variables, recording: Recording, samples: Samples, activity: Sequence[Any]
    ) -> list[Hypothesis]:
        rate, count = self._model.sample_rate, len(activity)
        shape = Shape(tuple(range(count)), _rows(count), padded_length(len(samples), sample_rate=rate))
        # An encoder may give a frame or two more than there are whole ones in the audio.
        frames = int(np.ceil(shape.length / rate / self._model.frame_seconds)) + 2
        both = np.zeros((2, shape.rows, frames), np.float32)
        for row, given in enumerate(activity):
            known = given[:frames]
            both[:, row] = np.pad(known, ((0, frames - len(known)), (0, 0)), "edge").T
        audio = dict.fromkeys(shape.indices, samples)
        prediction, _ = self._programs.start(variables, shape, audio, SpeakerMasks(*both))
        prediction = jax.device_get(prediction)
        rows = [
            Row(recording, samples, jax.tree.map(lambda leaf, row=row: leaf[row], prediction)) for row in range(count)
        ]
        return [*hypotheses(rows, self._model, self._tokenizer, Wanted(timestamps=True))]

    def _in_parts(
        self, variables: Variables, recording: Recording, samples: Samples, activity: Sequence[Any]
    ) -> list[Hypothesis]:
        """Gives the same result, part by part."""
        streams = self.streams(variables, _rows(len(activity)))
        opened = [streams.open(recording.source, offset=recording.offset) for _ in activity]
        for stream, given in zip(opened, activity, strict=True):
            stream.push_activity(given)
            stream.push(samples)
            stream.end()
        while streams.step():
            pass
        note = f"in parts of {PART_SECONDS:g} s"
        return [stream.hypothesis._replace(note=note) for stream in opened]

    def streams(
        self, variables: Variables, size: int, *, look_ahead: int | None = None, chunks: int | None = None
    ) -> SpeakerStreams:
        """Opens streams of speakers.

        Args:
          variables: of the model.
          size: how many there can be.
          look_ahead: see `forms.streaming`.
          chunks: see `forms.streaming`; None: as many as fill `PART_SECONDS`.
        """
        key = size, look_ahead, chunks
        if key not in self._streams:
            form = streaming(self._task, look_ahead=look_ahead, chunks=1 if chunks is None else chunks)
            if chunks is None:
                most = int(PART_SECONDS * form.sample_rate / form.step_samples)
                form = streaming(self._task, look_ahead=look_ahead, chunks=max(most, 1))
            self._streams[key] = compile_streams(form, variables, size=size)
        return SpeakerStreams(self._streams[key], variables, self._tokenizer, timestamps=True)


def _rows(count: int) -> int:
    """A power of two, so that there are few programs."""
    return 1 << (count - 1).bit_length()


def _predict(model: TalkerRecognition, variables: Any, samples: Any, num_samples: Any, masks: SpeakerMasks) -> Any:
    return Prediction(model.decode(variables, *model.encode(variables, samples, num_samples, masks)))
