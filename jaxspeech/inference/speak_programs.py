"""Compiles the programs of a voice, each once for each padded shape, and checks that their memory is free.

    durations    text [B N]                 -> Timing
    frames       Timing [B N], T            -> mel frames [B T F]
    vocode       mel frames [B T F]         -> samples [B S]
    step         mel frames [1 T F], state  -> samples [1 S], state

The host reads the durations between the first two. The vocoder, whose compilation takes longest, depends on T alone.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Int

from jaxspeech.errors import AudioError
from jaxspeech.inference.batching import padded_length
from jaxspeech.inference.programs import GIB, available_bytes, shapes_of
from jaxspeech.runtime.kept_function import compile_kept, needed_bytes, of_this_package
from jaxspeech.tasks.kinds import Speaking, Timing
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# Padded lengths are three in an octave, from half of these on (see `inference.batching`).
SYMBOLS, FRAMES = 32, 64


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
      config: of the voice; programs of an empty one are not kept on disk, nor those of modules of other packages.
    """

    def __init__(self, task: Task[Any, Any, Speaking], *, config: dict[str, Any]):
        self._synthesis, self._vocoding = task.inference
        self._config = config if of_this_package(task.model) else {}
        self._compiled: dict[Hashable, Any] = {}

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
        arguments = variables, text, *given, *style
        timing = self._run("durations", self._synthesis.durations, arguments, f"{size} symbols")
        return timing, np.asarray(timing.durations)

    def frames(self, variables: Variables, timing: Timing, num_frames: Int[np.ndarray, " B"]) -> Float[Array, "B T F"]:
        """Computes the mel frames, on the device; T is a padded length."""
        size = padded_length(max(1, int(num_frames.max())), sample_rate=FRAMES)
        what = f"{size * self._vocoding.hop / self._vocoding.sample_rate:.2g} s of mel frames"
        return self._run("frames", self._frames, (variables, timing), what, size=size)

    def vocode(
        self, variables: Variables, mel: Float[Array, "B T F"], num_frames: Int[np.ndarray, " B"]
    ) -> Float[Array, "B S"]:
        """Computes the samples, on the device."""
        what = f"{mel.shape[1] * self._vocoding.hop / self._vocoding.sample_rate:.2g} s of sound"
        return self._run("vocode", self._vocoding.vocode, (variables, mel, num_frames.astype(np.int32)), what)

    def start(self, variables: Variables) -> Any:
        """The state of a vocoder that works part by part, before the first frame."""
        parts = self._vocoding.incremental
        assert parts is not None
        if "start" not in self._compiled:
            self._compiled["start"] = jax.jit(lambda variables: parts.start(variables, 1))
        return self._compiled["start"](variables)

    def step(self, variables: Variables, mel: Any, num_frames: Any, state: Any) -> tuple[Float[Array, "1 S"], Any]:
        """Takes a step of it."""
        parts = self._vocoding.incremental
        assert parts is not None
        # Not a kept program: its call takes longer than a short step computes.
        key = ("step", shapes_of((mel, state)))
        if key not in self._compiled:
            self._compiled[key] = jax.jit(parts.step)
        return self._compiled[key](variables, mel, num_frames, state)

    def _frames(self, variables: Variables, timing: Timing, *, size: int) -> Float[Array, "B T F"]:
        return self._synthesis.frames(variables, timing, size)

    def _run(
        self, name: str, function: Callable[..., Any], arguments: tuple[Any, ...], what: str, **options: Hashable
    ) -> Any:
        key = (name, shapes_of(arguments[1:]), *sorted(options.items()))
        if key not in self._compiled:
            place: Any = {"name": f"speak_{name}", "config": self._config, "options": options, "outputs": (Timing,)}
            program = compile_kept(function, arguments, **place, what=f"the voice for {what}")
            self._compiled[key] = program, needed_bytes(program)
        program, needed = self._compiled[key]
        free = available_bytes(jax.devices()[0])
        if free is not None and needed > free:
            raise AudioError(
                f"{what} would take {needed / GIB:.1f} GiB of memory, only {free / GIB:.1f} GiB are free; choose a "
                "smaller batch_size"
            )
        return program(*arguments)
