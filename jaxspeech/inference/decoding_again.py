"""Decodes the recordings, or the parts of one, whose texts fail (inference/guard.py) again, in batches of their own.

What is drawn depends on the recording, its prompt and the temperature alone: not on other recordings, nor on its place.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.errors import SpeechError, as_speech_error
from jaxspeech.inference.asking import Asking
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.guard import Guarded, attempt, guarded
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.parts import predict_parts
from jaxspeech.inference.programs import Starting
from jaxspeech.inference.rows import Row
from jaxspeech.tasks.prediction import Prediction
from jaxspeech.text.tokenizer import Tokenizer
from jaxspeech.types import Variables


@dataclass(frozen=True)
class DecodingAgain:
    """How the texts of one call are decoded again.

    Attributes:
      programs: the compiled `tasks.prediction.predict`.
      variables: (recordings of a batch, its number of rows) -> those of the model, see `inference.fusing`.
      tokenizer, sample_rate: of the model.
      asking: what is asked for besides the prompts.
      batch_size: the most rows of a batch.
    """

    programs: Starting
    variables: Callable[[Sequence[Recording], int], Variables]
    tokenizer: Tokenizer
    sample_rate: int
    asking: Asking
    batch_size: int

    def parts(
        self, found: Mapping[int, Prediction], audio: Mapping[int, np.ndarray], recordings: Mapping[int, Recording]
    ) -> dict[int, Guarded]:
        """Returns the text of each part, decoded again if it must be.

        Args:
          found: the first prediction of each part, one row on the host, by its number.
          audio, recordings: of each part.

        Raises:
          AudioError: a batch does not fit in memory.
        """

        def again(places: Sequence[int], temperature: float) -> dict[int, Prediction]:
            def arguments(shape: Shape) -> tuple[Any, ...]:
                of_batch = [recordings[i] for i in shape.indices]
                ids = [recording.prompt for recording in of_batch]
                seeds = [seed_of(audio[i], recordings[i].prompt, temperature) for i in shape.indices]
                asked = self.asking.of(ids, shape.rows, temperature=temperature, seeds=seeds)
                return self.variables(of_batch, shape.rows), *asked

            some = {i: audio[i] for i in places}
            options: Any = {"batch_size": self.batch_size, "sample_rate": self.sample_rate}
            return predict_parts(self.programs, some, arguments, **options)

        return guarded(found, again, self.tokenizer)

    def rows(self, rows: Iterable[Row[Prediction]]) -> Iterator[Row[Prediction]]:
        """Yields rows in order, decoded again if they must be; those with a note were predicted part by part."""
        waiting = iter(rows)
        while some := list(islice(waiting, self.batch_size)):
            whole = {i: row for i, row in enumerate(some) if row.prediction is not None and row.note is None}
            found = {i: row.prediction for i, row in whole.items() if row.prediction is not None}
            try:
                chosen = self.parts(
                    found,
                    {i: row.samples for i, row in whole.items()},
                    {i: row.recording for i, row in whole.items()},
                )
            except (SpeechError, MemoryError, RuntimeError) as error:
                for i, prediction in found.items():
                    if attempt(prediction, 0.0, self.tokenizer).fault:
                        failed = as_speech_error(error, some[i].recording.source)
                        some[i] = replace(some[i], prediction=None, error=failed)
            else:
                for i, text in chosen.items():
                    some[i] = replace(some[i], prediction=text.prediction, note=text.how or None)
            yield from some


def seed_of(samples: Float[np.ndarray, " S"], prompt: Iterable[int], temperature: float) -> int:
    """Returns the seed for drawing a text."""
    rest = np.array([*prompt, round(100 * temperature)], np.int64)
    return zlib.crc32(rest.tobytes(), zlib.crc32(np.ascontiguousarray(samples, np.float32).tobytes()))
