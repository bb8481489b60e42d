"""What a checkpoint says beside its state."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NONE: Mapping[str, Any] = MappingProxyType({})


class Record(NamedTuple):
    """Where a run stands.

    Attributes:
      scores: the last evaluation, {set: {score: value}}.
      evaluated: step of the last evaluation; None before the first.
      best: the scores of the best model on the first set; None before the first evaluation.
      best_step: its step.
      seconds: that the run has taken so far.
      totals: sums over all steps, as `Progress` has them.
      batch_seconds: the size of batches that was found when the run began; None where the recipe says it.
      config: the recipe.
    """

    scores: Mapping[str, Mapping[str, float]] = NONE
    evaluated: int | None = None
    best: Mapping[str, float] | None = None
    best_step: int = 0
    seconds: float = 0.0
    totals: Mapping[str, float] = NONE
    batch_seconds: float | None = None
    config: Mapping[str, Any] = NONE

    def to_json(self) -> dict[str, Any]:
        """As a checkpoint keeps it."""
        fields = {name: value for name, value in self._asdict().items() if value is not None}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Record":
        """What `to_json` gave; fields that a later version has added are left out."""
        return cls(**{name: value for name, value in saved.items() if name in cls._fields})
