"""Compiles an enhancement model once for each padded shape of rows [B C S], and checks that its memory is free."""

from collections.abc import Hashable, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from jaxspeech.errors import AudioError
from jaxspeech.forms.enhancement_streaming import EnhancementStreaming
from jaxspeech.inference.programs import GIB, available_bytes
from jaxspeech.runtime.kept_function import compile_kept, needed_bytes, of_this_package
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

# All noise that a model draws comes from this seed, so that a result can be computed again.
SEED = 0


class EnhancePrograms:
    """The compiled programs of one model.

    Args:
      task: of the model.
      config: of the model; programs of an empty one are not kept on disk, nor those of modules of other packages.
    """

    def __init__(self, task: Task[Any, Any, Any], *, config: dict[str, Any]):
        self._kind = task.inference
        self._config = config if of_this_package(task.model) else {}
        self._compiled: dict[Hashable, Any] = {}
        self._needed: dict[Hashable, int] = {}
        self._step: Any = None

    def start(
        self,
        variables: Variables,
        rows: Sequence[Float[np.ndarray, "C S"]],
        peaks: Sequence[float],
        *,
        size: int,
        length: int,
    ) -> Any:
        """Sends rows to the device; returns [B M S], which may not have been computed yet.

        Args:
          variables: of the model.
          rows: B or fewer parts of recordings.
          peaks: the peak of the recording of each row, for a model that divides by it.
          size: B; the rows that are missing are the first again.
          length: S.

        Raises:
          AudioError: it would need more memory than is free.
        """
        samples = np.zeros((size, rows[0].shape[0], length), np.float32)
        places = [*range(len(rows)), *[0] * (size - len(rows))]
        for row, place in enumerate(places):
            samples[row, :, : rows[place].shape[1]] = rows[place]
        num_samples = np.array([rows[place].shape[1] for place in places], np.int32)
        beside: list[Any] = []
        if self._kind.scaled:
            beside.append(np.array([peaks[place] for place in places], np.float32))
        if self._kind.random:
            beside.append(np.asarray(jax.random.key_data(jax.random.key(SEED))))
        arguments = variables, samples, num_samples, *beside
        program = self._program(arguments, seconds=length / self._kind.sample_rate)
        needed, free = self._needed[samples.shape], available_bytes(jax.devices()[0])
        if free is not None and needed > free:
            audio = f"{size} x {length / self._kind.sample_rate:.0f} s of audio"
            raise AudioError(
                f"{audio} would take {needed / GIB:.1f} GiB of memory, only {free / GIB:.1f} GiB are free; choose "
                "shorter chunks (chunk_seconds)"
            )
        return program(*arguments)

    def step(
        self, streaming: EnhancementStreaming, variables: Variables, state: Any, samples: Float[np.ndarray, "B C S"]
    ) -> tuple[Any, Any]:
        """Takes a step of a stream: (enhanced samples [B C S], the next state)."""
        if self._step is None:
            # Not a kept program: its call takes longer than all that a step of 10 ms computes.
            self._step = jax.jit(streaming.step)
        return self._step(variables, state, samples)

    def _program(self, arguments: tuple[Any, ...], *, seconds: float) -> Any:
        shape = arguments[1].shape
        if shape not in self._compiled:
            what = f"the model for {shape[0]} x {seconds:g} s of audio"
            place: Any = {"name": "enhance", "config": self._config, "options": {}, "what": what}
            self._compiled[shape] = program = compile_kept(self._enhance, arguments, **place)
            self._needed[shape] = needed_bytes(program)
        return self._compiled[shape]

    def _enhance(self, variables: Variables, samples: Any, num_samples: Any, *beside: Any) -> Any:
        rest = list(beside)
        options: dict[str, Any] = {"peak": rest.pop(0)} if self._kind.scaled else {}
        if self._kind.random:
            options["key"] = jax.random.wrap_key_data(rest.pop(0))
        return self._kind.enhance(variables, samples, num_samples, **options)
