"""What all live streams of a recogniser share: samples are fed, steps are taken, the last hypothesis is the result."""

from collections.abc import Callable, Iterator
from typing import Any

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.live_input import LiveInput


class LiveStream(LiveInput):
    """One live recording, which is fed in parts of any length.

    Args:
      name: of the recording, for errors.
      step: takes one step of all streams that are processed together.
      sample_rate: of the samples, in Hz; None: the model's.
      model_rate: the model's sample rate, in Hz.

    Attributes:
      hypothesis: the transcript so far.
    """

    hypothesis: Hypothesis

    def __init__(self, name: str, step: Callable[[], Any], *, sample_rate: int | None, model_rate: int):
        super().__init__(name, sample_rate=sample_rate, model_rate=model_rate)
        self._step = step

    def feed(self, samples: Any) -> Iterator[Hypothesis]:
        """Takes the next samples, and yields the hypothesis after each step that they make possible.

        Args:
          samples: [S], any number of them: floats in [-1, 1] or integers.
        """
        self.push(samples)  # now, even if the iterator is never consumed
        return self._steps()

    def _steps(self) -> Iterator[Hypothesis]:
        while self.ready:
            self._step()
            yield self.hypothesis

    def finish(self) -> Hypothesis:
        """Ends the stream and returns the final hypothesis."""
        self.end()
        while self.ready:
            self._step()
        return self.hypothesis
