"""What a pipeline gives for recordings, one result each, where one compiled function does all the work."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, TypeVar

from jaxspeech.errors import SpeechError
from jaxspeech.inference.inputs import find_recordings
from jaxspeech.inference.options import RowOptions, wanted
from jaxspeech.inference.programs import Programs
from jaxspeech.inference.results import results_of
from jaxspeech.inference.rows import Row, Strategy, predicted_rows
from jaxspeech.inference.shape_choice import ShapeChoice
from jaxspeech.types import Variables

R = TypeVar("R")


class RecordingResults(Generic[R]):
    """How a pipeline makes its results.

    Args:
      call: the method's name, for errors.
      programs: of the function.
      sample_rate: of the model, in Hz.
      make: makes the result of a row; what it raises is that recording's result.
      failed: makes the result that says why there is none.
      shortest: samples that the function needs; a shorter recording has no prediction.
      long: (variables, shape, audio) -> as `Programs.start`, for a recording of more than 40 s; None: as any other.
    """

    def __init__(
        self,
        call: str,
        programs: Programs,
        *,
        sample_rate: int,
        make: Callable[[Row[Any]], R],
        failed: Callable[[Row[Any], SpeechError], R],
        shortest: int | float = 1,
        long: Callable[..., Any] | None = None,
    ):
        self._call, self._programs, self._long = call, programs, long
        self._make, self._failed = make, failed
        self._rows: Any = {"sample_rate": sample_rate, "shortest": float(shortest), "shapes": ShapeChoice(sample_rate)}

    def of(self, variables: Variables, inputs: Any, options: Mapping[str, Any]) -> Iterator[R]:
        """Yields the results in order, each as soon as it and all earlier ones are ready, in bounded memory.

        Args:
          variables: of the model.
          inputs: a path (of an audio file, a folder, a .jsonl or .json manifest), an array of samples ([S], [S C] or
            [C S]; float in [-1, 1], or integers), or an iterable of all these.
          options: see `inference.options.RowOptions`: batch_size, sample_rate, channel, on_error.

        Raises:
          SpeechError: an input or option is invalid; the message is one line.
        """
        asked = wanted(options, RowOptions, call=self._call)
        at_once = [Strategy(partial(self._programs.start, variables))]
        long = [] if self._long is None else [Strategy(partial(self._long, variables), alone=True)]
        rows = predicted_rows(find_recordings(inputs), at_once, asked, long=long, **self._rows)
        return results_of(rows, self._make, self._failed, on_error=asked.on_error)
