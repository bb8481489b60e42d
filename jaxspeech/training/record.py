"""The JSON record that a checkpoint holds next to its state."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

NONE: Mapping[str, Any] = MappingProxyType({})


class Record(NamedTuple):
    """The progress of a run.

    Attributes:
      scores: the last evaluation, {set: {score: value}}.
      evaluated: step of the last evaluation; None before the first.
      best: the scores of the best model on the first set; None before the first evaluation.
      best_step: its step.
      seconds: the time that the run has taken so far.
      totals: sums over all steps, as `Progress` has them.
      batch_seconds: the batch size that was found when the run began; None if the recipe sets it.
      config: the recipe.
      contents: describes the content of the manifests; empty in records of earlier versions.
    """

    scores: Mapping[str, Mapping[str, float]] = NONE
    evaluated: int | None = None
    best: Mapping[str, float] | None = None
    best_step: int = 0
    seconds: float = 0.0
    totals: Mapping[str, float] = NONE
    batch_seconds: float | None = None
    config: Mapping[str, Any] = NONE
    contents: Mapping[str, str] = NONE

    def to_json(self) -> dict[str, Any]:
        """Converts the record to JSON, for a checkpoint."""
        fields = {name: value for name, value in self._asdict().items() if value is not None}
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in fields.items()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Record":
        """Reads what `to_json` returned; fields that a later version has added are ignored."""
        return cls(**{name: value for name, value in saved.items() if name in cls._fields})
