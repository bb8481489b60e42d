"""A long recording through a model that cannot attend to all of it: windows that overlap, joined before the search.

Each window's middle frames are kept; those around them only give them their context. The search then runs over the
joined frames as over those of any recording: its state passes every border, and no text has to be merged.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.inference.batching import Shape, padded_length
from jaxspeech.inference.programs import Prediction, pad
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# Of each window: what is kept, and what it sees before and behind that.
KEPT_SECONDS, CONTEXT_SECONDS = 20.0, 5.0


class Part(NamedTuple):
    """A window of a recording, in samples, and the encoder frames of it that are kept."""

    start: int
    end: int
    first_frame: int
    num_frames: int | None


def cut(num_samples: int, *, frame: int, kept: int, context: int) -> Iterator[Part]:
    """Windows whose kept frames follow one another; the last keeps all that it has.

    Args:
      num_samples: of the recording.
      frame: samples of one encoder frame.
      kept, context: of each window, in frames.
    """
    for first in range(0, max(-(-num_samples // frame), 1), kept):
        before = min(first, context)
        end = min((first + kept + context) * frame, num_samples)
        last = (first + kept) * frame >= num_samples
        yield Part((first - before) * frame, end, before, None if last else kept)


class Buffered:
    """The windows' programs of one task."""

    def __init__(self, task: Task):
        self._task = task
        self._encode, self._decode = jax.jit(task.encode), jax.jit(task.decode)

    def predict(self, variables: Variables, samples: Float[np.ndarray, " S"], *, batch_size: int) -> Prediction:
        """The tokens of a recording, `batch_size` windows at a time."""
        rate, seconds = self._task.sample_rate, self._task.frame_seconds
        kept, context = round(KEPT_SECONDS / seconds), round(CONTEXT_SECONDS / seconds)
        frame = round(seconds * rate)
        parts = list(cut(len(samples), frame=frame, kept=kept, context=context))
        frames: list[np.ndarray] = []
        for at in range(0, len(parts), batch_size):
            some = parts[at : at + batch_size]
            audio = {i: samples[part.start : part.end] for i, part in enumerate(some)}
            shape = Shape(tuple(audio), batch_size, (kept + 2 * context) * frame)
            encoded, num_frames = jax.device_get(self._encode(variables, pad(shape, audio)))
            for row, part, n in zip(encoded, some, num_frames, strict=False):
                end = n if part.num_frames is None else part.first_frame + part.num_frames
                frames.append(row[part.first_frame : end])
        whole = np.concatenate(frames)
        # As many frames as a padded recording has, so that few searches are compiled.
        length = -(-padded_length(len(samples), sample_rate=rate) // frame) + 1
        padded = np.zeros((1, max(length, len(whole)), whole.shape[1]), whole.dtype)
        padded[0, : len(whole)] = whole
        return Prediction(self._decode(variables, padded, np.array([len(whole)], np.int32)))
