"""Log-probabilities of a task's waveforms, as `asr.model.apply(..., method="log_probs")` gives them."""

from typing import Any


def log_probs_of(task: Any) -> Any:
    """(variables, batch) -> (log-probabilities [B T V+1], num_frames [B])."""
    return lambda variables, batch: task.model.apply(variables, batch.samples, batch.num_samples, method="log_probs")
