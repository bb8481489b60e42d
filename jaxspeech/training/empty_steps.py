"""Stops a run that learns nothing: no step has an example to learn from, or no update is ever made."""

from collections.abc import Mapping
from typing import Any

from jaxspeech.errors import TrainingError


class EmptySteps:
    """Counts the steps in a row that had no example to learn from."""

    def __init__(self, epoch: int):
        """Args: the steps of an epoch; so many in a row without an example end the run."""
        self._epoch = epoch
        self._in_a_row = 0

    def see(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Looks at the metrics of a step.

        Raises:
          TrainingError: a whole epoch had nothing to learn from.
        """
        usable = int(metrics["examples"]) - int(metrics["infeasible"])
        self._in_a_row = 0 if usable else self._in_a_row + 1
        if self._in_a_row >= max(self._epoch, 1):
            raise TrainingError(
                f"stopped at step {step}: the last {self._in_a_row} steps, a whole epoch, had no example to learn "
                "from: all are unusable, or too long or too short for the model; see the lines above"
            )


def check_learned(totals: Mapping[str, int | float], step: int) -> None:
    """Checks at the end of a run that it has learned from something.

    Args:
      totals: sums over all steps, as `Progress` has them; empty if no step was made since an old checkpoint.
      step: the last one.

    Raises:
      TrainingError: no step had an example to learn from, or no update was made.
    """
    if not step or not totals:
        return
    if totals["examples"] <= totals["infeasible"]:
        raise TrainingError(
            f"nothing was learned: in {step} steps there was no example to learn from "
            f"({totals['infeasible']:.0f} times one that is too long or too short for the model)"
        )
    if totals["skipped"] >= step:
        raise TrainingError(
            f"nothing was learned: the gradients of all {step} steps were not finite. Inspect the data, or lower "
            "optimizer.learning_rate"
        )
