"""Scores of masked prediction, and how evenly the codes are used.

loss             mean over the predicted frames of the negative log-likelihood, in nats; log V for a model that knows
                 nothing of evenly used codes
accuracy         share of the predicted frames whose code is the likeliest one
code_perplexity  exp of the entropy of the codes in the set, the mean over the books; at most V
dead_codes       share of the codes that do not occur in the set
mask_share       share of the frames that are masked

The mask of an example depends on its number in the set alone, so that scores of different steps are of the same frames.
With few frames the perplexity is below that of more, and more codes are dead.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores


class MaskedRow(NamedTuple):
    """What is kept of one recording; `counts` says how often each code occurs, for each book."""

    loss: float
    correct: float
    selected: float
    masked: int
    maskable: int
    counts: tuple[Mapping[int, int], ...]


def pretraining_scores(num_codes: int) -> Evaluation:
    """Returns the evaluation of what `tasks.pretrain.PredictedCodes` holds.

    Args:
      num_codes: V; 0 where no codes are predicted, but which of several targets is the right one.
    """

    def collect(found: Any, batch: Any) -> list[MaskedRow]:
        del batch
        rows = []
        for row, frames in enumerate(np.asarray(found.num_ids)):
            counts = tuple(dict(Counter(book[:frames].tolist())) for book in np.asarray(found.ids[row]).T)
            loss, correct, selected = (float(values[row]) for values in (found.losses, found.correct, found.selected))
            rows.append(MaskedRow(loss, correct, selected, int(found.masked[row]), int(found.maskable[row]), counts))
        return rows

    def score(found: Mapping[int, MaskedRow], fields: Mapping[int, Fields]) -> dict[str, float]:
        del fields
        rows = list(found.values())
        selected = sum(row.selected for row in rows)
        if not selected:
            return {}
        totals = [Counter[int]() for _ in rows[0].counts]
        for row in rows:
            for total, counts in zip(totals, row.counts, strict=True):
                total.update(counts)
        scores = {
            "loss": sum(row.loss for row in rows) / selected,
            "accuracy": sum(row.correct for row in rows) / selected,
        }
        if num_codes:
            scores["code_perplexity"] = float(np.mean([_perplexity(total) for total in totals]))
            scores["dead_codes"] = float(np.mean([1 - len(total) / num_codes for total in totals]))
        return {
            **scores,
            "mask_share": sum(row.masked for row in rows) / max(sum(row.maskable for row in rows), 1),
        }

    def show(scores: Scores) -> str:
        if "loss" not in scores:
            return "no score (nothing is masked)"
        shown = f"masked loss {scores['loss']:.4f}, accuracy {scores['accuracy']:.1%}"
        return shown + (f", code perplexity {scores['code_perplexity']:.1f} of {num_codes}" if num_codes else "")

    def sample(found: MaskedRow, fields: Fields) -> str:
        del fields
        if not found.selected:
            return "  nothing is masked"
        return (
            f"  {found.masked} of {found.maskable} frames are masked; loss {found.loss / found.selected:.3f}, accuracy "
            f"{found.correct / found.selected:.1%} at {found.selected:.0f} encoder frames"
        )

    return Evaluation(True, collect, score, show, sample, shares=("accuracy", "dead_codes", "mask_share"))


def _perplexity(counts: Mapping[int, int]) -> float:
    total = sum(counts.values())
    return math.exp(-sum(count / total * math.log(count / total) for count in counts.values()))
