"""Compiles a task's function once for each padded shape, and checks that its memory is free before running it."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float, Int

from jaxspeech.errors import AudioError
from jaxspeech.forms.kept_positions import KeptPositions
from jaxspeech.inference.batching import FULL_BATCH_SECONDS, Shape
from jaxspeech.runtime.kept_function import compile_kept, needed_bytes, of_this_package
from jaxspeech.runtime.platform import free_memory
from jaxspeech.search.fusion import FUSION
from jaxspeech.tasks.task import Task
from jaxspeech.types import Variables

GIB = 1 << 30


class PaddedAudio(NamedTuple):
    """Waveforms of one shape."""

    samples: Float[np.ndarray, "B S"]
    num_samples: Int[np.ndarray, " B"]


@runtime_checkable
class Starting(Protocol):
    """What starts predictions: `Programs`, or something that adds to their results."""

    def start(
        self, variables: Variables, shape: Shape, audio: Mapping[int, np.ndarray], *beside: Any, **options: Any
    ) -> tuple[Any, str]:
        """See `Programs.start`."""
        ...


class Programs:
    """The compiled programs of one function.

    Args:
      task: the task whose model is called.
      predict: (variables, samples [B S], num_samples [B], *beside, **options) -> a pytree with B leading in every leaf.
      name: of `predict`; with `config`, it determines the function.
      config: of the model; programs of an empty one are not kept on disk, nor those of modules of other packages, whose
        source the key of a program does not have.
      outputs: the NamedTuple classes that `predict` returns.
      how: what a note says of its predictions, "" for no note.
    """

    def __init__(
        self,
        task: Task[Any, Any, Any],
        predict: Callable[..., Any],
        *,
        name: str,
        config: dict[str, Any],
        outputs: tuple[type, ...] = (),
        how: str = "",
    ):
        self._sample_rate = task.inference.sample_rate
        self._predict, self._how = predict, how
        self._name, self._outputs = name, outputs
        self._config = config if of_this_package(task.model) else {}
        self._positions = KeptPositions(task.model, seconds=FULL_BATCH_SECONDS, run=self._run_kept)
        self._compiled: dict[Hashable, Any] = {}
        self._needed: dict[Any, int] = {}  # bytes of memory of each program besides its arguments

    def start(
        self, variables: Variables, shape: Shape, audio: Mapping[int, np.ndarray], *beside: Any, **options: Hashable
    ) -> tuple[Any, str]:
        """Sends a batch to the device; bound to variables and options, it is a `rows.Strategy`.

        Args:
          variables: the model's variables, perhaps with models for the search (`search.fusion`).
          shape: which recordings, and how they are padded.
          audio: samples of each recording, by its index.
          beside: further arguments of the function, pytrees of arrays with B leading; each combination of shapes is a
            separate program, also of the models for the search.
          options: of the function; each combination is a separate program.

        Returns:
          (what the function returns, filler rows included: the computation may not have finished yet; `how`).

        Raises:
          AudioError: the batch would need more memory than is free.
        """
        variables = self._positions.beside(variables)
        program = self._program(variables, shape, *beside, **options)
        needed, free = self._needed[program], available_bytes(jax.devices()[0])
        if free is not None and needed > free:
            seconds = len(audio[shape.indices[0]]) / self._sample_rate
            raise AudioError(
                f"{seconds:.0f} s of audio at once would take {needed / GIB:.1f} GiB of memory, only "
                f"{free / GIB:.1f} GiB are free; cut it into shorter recordings"
            )
        return program(variables, *pad(shape, audio), *beside), self._how

    def _run_kept(self, function: Callable[..., Any], *arguments: Any) -> Any:
        place: Any = {"name": "positions", "config": self._config, "options": {}}
        return compile_kept(function, arguments, **place, what="positions")(*arguments)

    def compiled(self, variables: Variables, shape: Shape, *beside: Any, **options: Hashable) -> Any:
        """Returns the compiled program for batches of this shape."""
        return self._program(self._positions.beside(variables), shape, *beside, **options)

    def _program(self, variables: Variables, shape: Shape, *beside: Any, **options: Hashable) -> Any:
        key = (shape.rows, shape.length, shapes_of((beside, variables.get(FUSION))), *sorted(options.items()))
        if key not in self._compiled:
            batch = pad(shape, dict.fromkeys(shape.indices, np.zeros(0, np.float32)))
            what = f"the model for {shape.rows} x {shape.length / self._sample_rate:g} s of audio"
            program = compile_kept(
                self._predict,
                (variables, *batch, *beside),
                name=self._name,
                config=self._config,
                options=options,
                outputs=self._outputs,
                what=what,
            )
            self._compiled[key], self._needed[program] = program, needed_bytes(program)
        return self._compiled[key]


def shapes_of(arguments: Any) -> Hashable:
    """What a compiled program knows of its arguments, a pytree of arrays."""
    return jax.tree.structure(arguments), *((x.shape, x.dtype) for x in jax.tree.leaves(arguments))


def pad(shape: Shape, audio: Mapping[int, np.ndarray]) -> PaddedAudio:
    """Pads the recordings of `shape` into one batch."""
    samples = np.zeros((shape.rows, shape.length), np.float32)
    # Filler rows are silence as long as the first recording: an empty row could compute 0 / 0.
    num_samples = np.full(shape.rows, len(audio[shape.indices[0]]), np.int32)
    for row, i in enumerate(shape.indices):
        samples[row, : len(audio[i])] = audio[i]
        num_samples[row] = len(audio[i])
    return PaddedAudio(samples, num_samples)


def available_bytes(device: Any) -> int | None:
    """Bytes of memory that are free on `device`; None where the system does not report it."""
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        return stats["bytes_limit"] - stats["bytes_in_use"] if "bytes_limit" in stats else None
    return free_memory()
