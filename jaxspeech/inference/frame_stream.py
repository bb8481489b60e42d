"""Classifies the frames of live audio step by step, with the probabilities of the whole recording.

A step computes a window: the frames that are new, what the convolutions see before them, and `look_ahead` frames after
them. If that is all that they see (the default), the result is that of the whole recording, and comes this much later;
with fewer, it comes sooner, as if the recording ended there.
"""

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.errors import AudioError, ConfigError
from jaxspeech.forms.receptive_field import ReceptiveField
from jaxspeech.inference.batching import Shape
from jaxspeech.inference.programs import Programs
from jaxspeech.types import Variables


class FrameStream:
    """One live recording: `feed(samples)` returns the probabilities of new frames, `finish()` those of the last ones.

    Attributes:
      latency_seconds: from the end of a frame to the end of the audio that is needed before it is returned.
    """

    def __init__(
        self,
        programs: Programs,
        variables: Variables,
        *,
        frame: int,
        sample_rate: int,
        field: ReceptiveField,
        num_classes: int,
        look_ahead: int | None = None,
        step: int = 5,
    ):
        """Opens the stream.

        Args:
          programs: the compiled function (variables, samples, num_samples) -> (probabilities, num_frames).
          variables: of the model.
          frame: samples of a frame.
          sample_rate: in Hz.
          field: the frames around a frame that affect it.
          num_classes: of the model.
          look_ahead: frames after a frame that are waited for; None: all of those.
          step: frames that are returned together.

        Raises:
          ConfigError: look_ahead or step is not a number of frames.
        """
        look_ahead = field.after if look_ahead is None else look_ahead
        if not isinstance(look_ahead, int) or look_ahead < 0:
            raise ConfigError(f"look_ahead is {look_ahead!r}; it must be a number of frames, 0 or more")
        if not isinstance(step, int) or step < 1:
            raise ConfigError(f"step is {step!r}; it must be a number of frames, 1 or more")
        self._programs, self._variables = programs, variables
        self._frame, self._before, self._ahead, self._step = frame, field.before, min(look_ahead, field.after), step
        self._length = (field.before + step + self._ahead) * frame
        self._num_classes = num_classes
        self._samples = np.zeros(0, np.float32)  # from the sample `_begin * frame` on
        self._begin = self._next = 0  # frames: the first whose samples are kept, the first that was not returned
        self._finished = False
        self.latency_seconds = (self._ahead + step - 1) * frame / sample_rate

    def feed(self, samples: Float[np.ndarray, " S"]) -> Float[np.ndarray, "T C"]:
        """Takes the samples that follow, in [-1, 1], and returns the probabilities of the frames that are complete.

        Raises:
          AudioError: the stream is finished.
        """
        if self._finished:
            raise AudioError("the stream is finished; open a new one")
        self._samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])
        found = []
        while self._begin * self._frame + len(self._samples) >= (self._next + self._step + self._ahead) * self._frame:
            found.append(self._window(self._step))
        return self._joined(found)

    def finish(self) -> Float[np.ndarray, "T C"]:
        """Returns the probabilities of the frames that are left, for which the recording ends here."""
        self._finished = True
        found = []
        while len(rest := self._window(self._step)):
            found.append(rest)
        return self._joined(found)

    def _window(self, count: int) -> Float[np.ndarray, "T C"]:
        """Computes the next frames, at most `count`; fewer where the samples end."""
        # No more than the look-ahead, even where more has arrived: the result does not depend on how the audio comes.
        kept = self._samples[: (self._next - self._begin + count + self._ahead) * self._frame]
        if len(kept) < 2:
            return np.zeros((0, self._num_classes), np.float32)
        prediction, _ = self._programs.start(self._variables, Shape((0,), 1, self._length), {0: kept})
        probs, num_frames = jax.device_get(prediction)
        first = self._next - self._begin
        found = probs[0, first : min(first + count, int(num_frames[0]))]
        self._next += len(found)
        begin = max(self._next - self._before, 0)
        self._samples = self._samples[(begin - self._begin) * self._frame :]
        self._begin = begin
        return found

    def _joined(self, parts: list[np.ndarray]) -> Float[np.ndarray, "T C"]:
        return np.concatenate(parts) if parts else np.zeros((0, self._num_classes), np.float32)
