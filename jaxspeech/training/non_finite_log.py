"""Updates that were skipped because their gradient was not finite: written down, and too many in a row end the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.errors import TrainingError


class NonFiniteLog:
    """Looks at each step's metrics once the next step is on its way, so that the device is never waited for.

        skips = NonFiniteLog(workdir / "skipped.jsonl", limit=20, name=lambda index: data.name(index))
        while ...:
            state, metrics = train_step(state, batch)
            skips.watch(step, batch.index, metrics)

    Each line of the file is a batch: {"step", "loss", "grad_norm", "utterances"}.
    """

    def __init__(self, path: Path, *, limit: int, name: Callable[[int], str]):
        """Args: the file; how many in a row end the run; from an index in the data to what a person looks for."""
        self._path, self._limit, self._name = path, limit, name
        self._last: tuple[int, Any, dict[str, Any]] | None = None
        self._in_a_row = 0

    def watch(self, step: int, index: Any, metrics: dict[str, Any]) -> None:
        """After a step was started.

        Args:
          step: its number, from 1.
          index: the `index` of its batch.
          metrics: of the step.

        Raises:
          TrainingError: `limit` updates in a row were skipped.
        """
        self.look()
        self._last = (step, index, metrics)

    def look(self) -> None:
        """At the step that was watched last; waits for it. Raises as `watch`."""
        if self._last is None:
            return
        (step, index, metrics), self._last = self._last, None
        if not int(metrics["skipped"]):
            self._in_a_row = 0
            return
        self._in_a_row += 1
        names = [self._name(int(i)) for i in _here(index) if i >= 0]
        line = {"step": step, "loss": str(metrics["loss"]), "grad_norm": str(metrics["grad_norm"]), "utterances": names}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if self._in_a_row >= self._limit:
            raise TrainingError(
                f"stopped at step {step}: the gradients of {self._in_a_row} batches in a row were not finite. Their "
                f"utterances are in {self._path}; lower optimizer.learning_rate or optimizer.clip_norm, or look at them"
            )


def _here(index: Any) -> np.ndarray:
    """The rows on this process's devices, each once."""
    shards = getattr(index, "addressable_shards", None)
    return np.asarray(index) if shards is None else np.unique(np.concatenate([np.asarray(x.data) for x in shards]))
