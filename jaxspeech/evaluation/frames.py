"""Scores of the classes of frames: accuracy, macro F1 and, of two classes, the detection error

DetER = (missed frames + falsely detected frames) / frames of the second class
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxspeech.evaluation.classification import accuracy, macro_f1
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores


def frame_scores(names: Sequence[str], *, field: str = "label", multi_label: bool = False) -> Evaluation:
    """Returns the evaluation of (probabilities [B T C], num_frames [B]) against a batch's labels of frames.

    The result of an example is how many of its frames are of each class (rows), and were found to be of each (columns);
    of several classes at once, for each of them a table of absent and present.

    Args:
      names: of the classes.
      field: of the manifest, that holds the labels.
      multi_label: whether a frame can be of several classes.
    """

    def collect(prediction: Any, batch: Any) -> list[list[Any]]:
        probs, num_frames = prediction
        counts = np.minimum(num_frames, batch.num_label)
        rows = zip(probs, batch.label, counts.tolist(), strict=True)
        if multi_label:
            return [[_table(label[:n, c] > 0.5, p[:n, c] > 0.5, 2) for c in range(len(names))] for p, label, n in rows]
        return [_table(label[:n], p[:n].argmax(-1), len(names)) for p, label, n in rows]

    def score(found: Mapping[int, Any], fields: Mapping[int, Fields]) -> dict[str, float]:
        del fields
        total = np.sum(list(found.values()), axis=0)
        if not np.sum(total):
            return {}
        if multi_label:
            right = sum(float(np.trace(table)) for table in total) / float(np.sum(total))
            f1 = float(np.mean([2 * t[1, 1] / max(t[0, 1] + t[1, 0] + 2 * t[1, 1], 1) for t in total]))
            return {"accuracy": right, "macro_f1": f1}
        counts = {(names[int(i)], names[int(j)]): int(total[i, j]) for i, j in np.argwhere(total)}
        scores = {"accuracy": accuracy(counts), "macro_f1": macro_f1(counts)}
        if len(names) == 2 and total[1].sum():
            scores["detection_error"] = float((total[0, 1] + total[1, 0]) / total[1].sum())
        return scores

    def show(scores: Scores) -> str:
        if "accuracy" not in scores:
            return f"no accuracy (no frame has a {field})"
        more = f", DetER {scores['detection_error']:.1%}" if "detection_error" in scores else ""
        return f"accuracy {scores['accuracy']:.1%}, macro F1 {scores['macro_f1']:.1%}{more}"

    def sample(found: Any, fields: Fields) -> str:
        del fields
        right = np.sum(np.trace(found, axis1=-2, axis2=-1))
        return f"  {int(right)} of {int(np.sum(found))} {'labels' if multi_label else 'frames'} right"

    return Evaluation(
        lower_is_better=False,
        collect=collect,
        score=score,
        show=show,
        sample=sample,
        identity=(field,),
        shares=("accuracy", "macro_f1", "detection_error"),
    )


def _table(truth: Any, found: Any, size: int) -> list[list[int]]:
    return np.bincount(truth.astype(int) * size + found.astype(int), minlength=size * size).reshape(size, size).tolist()
