"""Logs updates that were skipped because of a non-finite gradient; too many in a row end the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxspeech.errors import TrainingError
from jaxspeech.training.empty_steps import EmptySteps


class NonFiniteLog:
    """Checks each step's metrics after the next step was started, so that it never waits for an idle device.

        skips = NonFiniteLog(workdir / "skipped.jsonl", limit=20, name=lambda index: data.name(index))
        while ...:
            state, metrics = train_step(state, batch)
            skips.watch(step, batch.index, metrics)

    Each line of the file describes a batch: {"step", "loss", "grad_norm", "utterances"}.
    """

    def __init__(self, path: Path, *, limit: int, name: Callable[[int], str], epoch: int | None = None):
        """Args:
        path: the file.
        limit: how many in a row end the run.
        name: index in the data -> a name that a user can look up.
        epoch: the steps of an epoch; a whole one without an example to learn from ends the run too (empty_steps.py).
        """
        self._empty = None if epoch is None else EmptySteps(epoch)
        self._path, self._limit, self._name = path, limit, name
        self._last: tuple[int, Any, dict[str, Any]] | None = None
        self._in_a_row = 0

    def watch(self, step: int, index: Any, metrics: dict[str, Any]) -> None:
        """Registers a step that was started, and checks the one before it.

        Args:
          step: its number, from 1.
          index: the `index` of its batch.
          metrics: of the step.

        Raises:
          TrainingError: `limit` updates in a row were skipped, or a whole epoch had nothing to learn from.
        """
        self.look()
        self._last = (step, index, metrics)

    def look(self) -> None:
        """Checks the step that was registered last, and waits for it. Raises what `watch` raises."""
        if self._last is None:
            return
        (step, index, metrics), self._last = self._last, None
        if self._empty is not None:
            self._empty.see(step, metrics)
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
                f"stopped at step {step}: the gradients of {self._in_a_row} batches in a row were not finite. Inspect "
                f"their utterances, listed in {self._path}, or lower optimizer.learning_rate or optimizer.clip_norm"
            )


def _here(index: Any) -> np.ndarray:
    """The rows on this process's devices, without duplicates."""
    shards = getattr(index, "addressable_shards", None)
    return np.asarray(index) if shards is None else np.unique(np.concatenate([np.asarray(x.data) for x in shards]))
