"""Computes the classes of a long recording's frames in overlapping windows: those of the whole, in little memory.

Unlike in recognition, whose windows cost accuracy at their borders, nothing is lost here: only frames whose
whole receptive field is in the window are kept (forms/receptive_field.py).
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxspeech.inference.batching import Shape
from jaxspeech.inference.buffered import cut
from jaxspeech.inference.programs import Programs
from jaxspeech.types import Variables

# Of each window, the part that is kept; and the windows that are computed at once.
KEPT_SECONDS = 20.0
WINDOWS = 4


class Dense:
    """Predicts the frames of long recordings.

    Args:
      programs: the compiled function (variables, samples, num_samples) -> (probabilities [B T C], num_frames [B]).
      frame: samples of a frame.
      sample_rate: in Hz.
      context: frames to either side of a frame that affect it.
    """

    def __init__(self, programs: Programs, *, frame: int, sample_rate: int, context: int):
        self._programs, self._frame, self._context = programs, frame, context
        self._kept = max(round(KEPT_SECONDS * sample_rate / frame), context)

    def start(self, variables: Variables, shape: Shape, audio: Mapping[int, np.ndarray]) -> tuple[Any, str]:
        """Predicts one recording; bound to variables, it is a `rows.Strategy` that takes one recording at a time."""
        [samples] = (audio[i] for i in shape.indices)
        parts = list(cut(len(samples), frame=self._frame, kept=self._kept, context=self._context))
        frames: list[np.ndarray] = []
        length = (self._kept + 2 * self._context) * self._frame
        for at in range(0, len(parts), WINDOWS):
            some = parts[at : at + WINDOWS]
            windows = {i: samples[part.start : part.end] for i, part in enumerate(some)}
            prediction, _ = self._programs.start(variables, Shape(tuple(windows), WINDOWS, length), windows)
            probs, num_frames = jax.device_get(prediction)
            for row, (part, n) in enumerate(zip(some, num_frames, strict=False)):
                end = n if part.num_frames is None else part.first_frame + part.num_frames
                frames.append(probs[row, part.first_frame : end])
        whole = np.concatenate(frames)
        return (whole[None], np.array([len(whole)], np.int32)), ""
