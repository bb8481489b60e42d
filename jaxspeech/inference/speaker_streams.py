"""Streams that each follow one speaker of a recording: besides samples they take the speaker's masks."""

from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.inference.streaming import Stream, Streams
from jaxspeech.speaker_masks import SpeakerMasks


class SpeakerStream(Stream):
    """One speaker of one live recording; see `Stream`. `push_activity` comes before the samples of the same time."""

    _activity = np.zeros((0, 2), np.float32)
    _last = np.zeros((1, 2), np.float32)

    def push_activity(self, activity: Float[np.ndarray, "M 2"]) -> None:
        """Takes how active the speaker and the others are in the next frames."""
        self._activity = np.concatenate([self._activity, activity])

    def take_activity(self, count: int) -> Float[np.ndarray, "M 2"]:
        """Removes and returns that of the next step, of `count` frames; the last frame stands for those that lack."""
        taken, self._activity = self._activity[:count], self._activity[count:]
        self._last = taken[-1:] if len(taken) else self._last
        return np.concatenate([taken, np.repeat(self._last, count - len(taken), 0)])


class SpeakerStreams(Streams):
    """Streams of a model with speaker kernels; see `Streams`."""

    kind = SpeakerStream

    def open(self, name: str = "stream", **options: Any) -> SpeakerStream:
        """Opens a new stream; see `Streams.open`."""
        stream = super().open(name, **options)
        assert isinstance(stream, SpeakerStream)
        return stream

    @property
    def step_frames(self) -> int:
        """Encoder frames of one step."""
        return round(self.form.step_samples / (self.form.sample_rate * self.form.frame_seconds))

    @property
    def free(self) -> int:
        """How many more streams can be open."""
        return self._programs.size - len(self._open)

    def _taken(self, ready: list[Stream]) -> tuple[Any, ...]:
        activity = np.zeros((self._programs.size, self.step_frames, 2), np.float32)
        for stream in ready:
            assert isinstance(stream, SpeakerStream)
            activity[stream.row] = stream.take_activity(self.step_frames)
        return *super()._taken(ready), SpeakerMasks(activity[..., 0], activity[..., 1])
