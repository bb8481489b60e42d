"""Runs the programs of a voice, each compiled once for each padded shape.

    durations    text [B N]                 -> Timing
    frames       Timing [B N], T            -> mel frames [B T F]
    vocode       mel frames [B T F]         -> samples [B S]            (inference/vocoding.py)

The host reads the durations between the first two. The vocoder, whose compilation takes longest, depends on T alone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.forms.kernel_points import uses_points, with_points
from jaxspeech.inference.batching import padded_length
from jaxspeech.inference.kept_programs import KeptPrograms
from jaxspeech.inference.vocoding import FRAMES, Vocoder
from jaxspeech.tasks.kinds import Speaking, Timing
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# Padded numbers of symbols are three in an octave, from half of these on (see `inference.batching`).
SYMBOLS = 32


class Manner(NamedTuple):
    """How a text is spoken.

    Attributes:
      speaker: the number of the speaker.
      pace: 2 is twice as fast.
      pitch: by how much it is higher, in standard deviations.
      style: a recording to speak like, at the voice's rate; the same for all texts of a call, or None.
    """

    speaker: int = 0
    pace: float = 1.0
    pitch: float = 0.0
    style: Float[np.ndarray, " S"] | None = None


class SpeakPrograms:
    """The compiled programs of one voice.

    Args:
      task: of the voice.
      config: of the voice; see `KeptPrograms`.

    Attributes:
      vocoder: what makes samples of the frames.
    """

    def __init__(self, task: Task[Any, Any, Speaking], *, config: dict[str, Any]):
        self._synthesis, vocoding = task.inference
        self._kept = KeptPrograms(task, config=config, outputs=(Timing,))
        self.vocoder = Vocoder(vocoding, self._kept)
        self._prepared: tuple[Variables, Variables] | None = None  # variables without and with their points

    def durations(
        self, variables: Variables, ids: Sequence[Sequence[int]], manners: Sequence[Manner], *, rows: int, size: int
    ) -> tuple[Timing, Int[np.ndarray, "B N"]]:
        """Computes how long each symbol is said.

        Args:
          variables: of the voice.
          ids: of the symbols of B or fewer texts; the rows that are missing are the first again.
          manners: of each text.
          rows: B.
          size: N.

        Returns:
          What the frames are made of, on the device, and the durations, on the host.
        """
        places = [*range(len(ids)), *[0] * (rows - len(ids))]
        text = np.zeros((rows, size), np.int32)
        for row, place in enumerate(places):
            text[row, : len(ids[place])] = ids[place]
        given = (
            np.array([len(ids[place]) for place in places], np.int32),
            np.array([manners[place].speaker for place in places], np.int32),
            np.array([manners[place].pace for place in places], np.float32),
            np.array([manners[place].pitch for place in places], np.float32),
        )
        style: tuple[Any, ...] = ()
        if (heard := manners[0].style) is not None:
            samples = np.zeros((rows, padded_length(len(heard), sample_rate=self._synthesis.sample_rate)), np.float32)
            samples[:, : len(heard)] = heard
            style = ((samples, np.full(rows, len(heard), np.int32)),)
        arguments = self._with_points(variables, rows * size), text, *given, *style
        timing = self._kept.run("speak_durations", self._synthesis.durations, arguments, f"{size} symbols")
        return timing, np.asarray(timing.durations)

    def frames(self, variables: Variables, timing: Timing, num_frames: Int[np.ndarray, " B"]) -> Float[Array, "B T F"]:
        """Computes the mel frames, on the device; T is a padded length."""
        size = padded_length(max(1, int(num_frames.max())), sample_rate=FRAMES)
        what = f"{size * self._synthesis.hop / self._synthesis.sample_rate:.2g} s of mel frames"
        given = self._with_points(variables, len(num_frames) * size)
        return self._kept.run("speak_frames", self._frames, (given, timing), what, size=size)

    def _frames(self, variables: Variables, timing: Timing, *, size: int) -> Float[Array, "B T F"]:
        return self._synthesis.frames(variables, timing, size)

    def _with_points(self, variables: Variables, frames: int) -> Variables:
        """The variables with the points of kernels, where there are enough frames to use them."""
        if not uses_points(frames):
            return variables
        if self._prepared is None or self._prepared[0] is not variables:
            self._prepared = variables, with_points(variables)
        return self._prepared[1]
