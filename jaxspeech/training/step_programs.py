"""Compiles a training step for each batch shape as soon as a batch is read, several shapes side by side.

XLA takes up to minutes for a shape, mostly on one processor. In threads that time passes while the initial values are
computed, and while steps of other shapes run. For a GPU a step is compiled when it is needed: XLA times kernels there
to choose among them, and nothing may run beside that.
"""

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import jax

from jaxspeech.training.flops import count_flops
from jaxspeech.types import B

# Shapes that are compiled at a time: each takes as much memory as its program is large.
THREADS = 2


class StepProgram(NamedTuple):
    """A compiled step.

    Attributes:
      run: (state, batch, seed) -> (state, metrics).
      flops: of a call (see `training.flops`).
    """

    run: Callable[[Any, Any, Any], tuple[Any, Any]]
    flops: float


class StepPrograms:
    """The programs of a training step, one for each batch shape.

    Args:
      train_step: jitted, (state, batch, seed) -> (state, metrics).
      state: the shapes of its arrays, with shardings.
      seed: of all steps.
      ahead: whether `begin` compiles; otherwise the first step of a shape does. False for GPUs.

    What is raised while a step is compiled is raised where its program is first needed.
    """

    def __init__(self, train_step: Any, state: Any, *, seed: int, ahead: bool):
        self._train_step, self._state, self._seed, self._ahead = train_step, state, seed, ahead
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="compile")
        self._programs: dict[Hashable, Future[StepProgram]] = {}

    def begin(self, batch: B) -> B:
        """Begins to compile for batches like this one, and returns it at once."""
        if self._ahead:
            self._program(batch)
        return batch

    def flops(self, batch: Any) -> float:
        """Returns the FLOPs of a step with such a batch; waits until it is compiled."""
        return self._program(batch).result().flops

    def __call__(self, state: Any, batch: Any) -> tuple[Any, Any]:
        """Makes a step: returns the new state, and metrics. The old state's buffers are donated."""
        return self._program(batch).result().run(state, batch, self._seed)

    def close(self) -> None:
        """Gives up what was not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _program(self, batch: Any) -> Future[StepProgram]:
        shape = tuple((x.shape, x.dtype) for x in jax.tree.leaves(batch))
        if shape not in self._programs:
            self._programs[shape] = self._threads.submit(self._compile, batch)
        return self._programs[shape]

    def _compile(self, batch: Any) -> StepProgram:
        traced = self._train_step.trace(self._state, batch, self._seed)
        return StepProgram(traced.lower().compile(), count_flops(traced.jaxpr.jaxpr))
