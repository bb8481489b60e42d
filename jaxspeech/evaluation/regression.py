"""Scores of estimated numbers: the mean absolute and squared error, and the correlation with the true ones.

MAE = mean |y - t|;   MSE = mean (y - t)^2;   r = cov(y, t) / (deviation of y x deviation of t)
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores


def regression_scores(truth: Callable[[Fields], float | None], *, field: str) -> Evaluation:
    """Returns the evaluation of numbers [B].

    Args:
      truth: an example's fields -> its true number; None: it is not scored.
      field: of the manifest, that holds it.
    """

    def collect(numbers: Any, batch: Any) -> list[float]:
        del batch
        return np.asarray(numbers, np.float64).tolist()

    def score(found: Mapping[int, float], fields: Mapping[int, Fields]) -> dict[str, float]:
        pairs = [(number, true) for i, number in found.items() if (true := truth(fields[i])) is not None]
        return errors(pairs) if pairs else {}

    def show(scores: Scores) -> str:
        if "mae" not in scores:
            return f"no error (no example has a number in {field})"
        correlation = f", r {scores['correlation']:.3f}" if "correlation" in scores else ""
        return f"MAE {scores['mae']:.4g}, MSE {scores['mse']:.4g}{correlation}"

    def sample(found: float, fields: Fields) -> str:
        return f"  truth: {truth(fields)}\n  found: {found:.4g}"

    return Evaluation(True, collect, score, show, sample, identity=(field,))


def errors(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """The scores of (estimated, true) numbers, at least one pair; no correlation where one side does not vary."""
    found, true = np.array(pairs, np.float64).T
    scores = {"mae": float(np.abs(found - true).mean()), "mse": float(np.square(found - true).mean())}
    if found.std() > 0 and true.std() > 0:
        scores["correlation"] = float(np.corrcoef(found, true)[0, 1])
    return scores
