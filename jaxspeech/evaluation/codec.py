"""Scores of a codec: how far recordings are from what became of them, and how much its ids say.

mel    distance of log mels, as in training, a mean over the recordings
bits   frames per second  x  sum over codebooks of the entropy of the ids in the set, -sum_k p_k log2 p_k
used   share of the ids of a codebook that occur, the mean over the codebooks

and, where asked for, those of `evaluation.enhancement`. The bits are what an ideal code for single ids would need; with
few frames both they and the share are below those of more.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.evaluation.enhancement import Scored, check_measures, show_scores, shown, signal_scores, summarize
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores


class CodedRow(NamedTuple):
    """What is kept of one recording.

    Attributes:
      mel: the distance.
      counts: how often each id occurs, for each codebook.
      values: the other scores.
    """

    mel: float
    counts: tuple[Mapping[int, int], ...]
    values: Mapping[str, float | None]


def codec_scores(
    sample_rate: int, *, frame_samples: int, codebook_size: int, measures: Sequence[str] = ()
) -> Evaluation:
    """Returns the evaluation of what `tasks.codec.Coded` holds.

    Args:
      sample_rate: in Hz.
      frame_samples: samples of a frame.
      codebook_size: number of different ids.
      measures: further scores, names of `evaluation.enhancement.MEASURES`; some need packages.

    Raises:
      ConfigError: a score is not known, or its package is not installed.
    """
    if measures:
        measures = check_measures(measures)

    def collect(found: Any, batch: Any) -> list[CodedRow]:
        samples, recordings, ids = (np.asarray(x) for x in (found.samples, batch.samples, found.ids))
        rows = []
        for row, (frames, size) in enumerate(zip(np.asarray(found.num_frames), batch.num_samples, strict=True)):
            values: Mapping[str, float | None] = {}
            if measures and frames:
                pair = samples[row : row + 1, :size], recordings[row : row + 1, :size]
                values = signal_scores(*pair, sample_rate, measures)
            counted = (np.unique(book[:frames], return_counts=True) for book in ids[row])
            counts = tuple(dict(zip(ids.tolist(), numbers.tolist(), strict=True)) for ids, numbers in counted)
            rows.append(CodedRow(float(found.mel[row]), counts, values))
        return rows

    def score(found: Mapping[int, CodedRow], fields: Mapping[int, Fields]) -> dict[str, float]:
        del fields
        rows = [row for row in found.values() if sum(row.counts[0].values())]
        if not rows:
            return {}
        totals: list[dict[int, int]] = [{} for _ in rows[0].counts]
        for row in rows:
            for total, counts in zip(totals, row.counts, strict=True):
                for name, number in counts.items():
                    total[name] = total.get(name, 0) + number
        bits = sum(_entropy(list(total.values())) for total in totals) * sample_rate / frame_samples
        used = float(np.mean([len(total) / codebook_size for total in totals]))
        scores = {"mel": float(np.mean([row.mel for row in rows])), "bits": bits, "used": used}
        return scores | summarize(Scored(row.values) for row in rows)

    def show(scores: Scores) -> str:
        if "mel" not in scores:
            return "no score (no example has a frame)"
        text = f"mel distance {scores['mel']:.4f}, {scores['bits'] / 1000:.2f} kbit/s"
        rest = {name: value for name, value in scores.items() if name not in ("mel", "bits", "used")}
        return f"{text}, {show_scores(rest)}" if rest else text

    def sample(found: CodedRow, fields: Fields) -> str:
        del fields
        return "\n".join(
            [f"  mel distance: {found.mel:.4f}"]
            + [f"  {name}: {shown(name, value)}" for name, value in found.values.items()]
        )

    return Evaluation(True, collect, score, show, sample, identity=(), shares=("used",), rising=tuple(measures))


def _entropy(counts: list[int]) -> float:
    """In bits."""
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts)
