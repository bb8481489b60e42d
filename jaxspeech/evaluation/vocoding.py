"""The score of a vocoder: how far the mel of what it makes of a recording's mel is from that of the recording.

mel = mean |log m - log m'|, over frames and bands, then over recordings; in nepers of magnitude: 0.1 is 0.87 dB
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores

MEL = "mel_distance"


def vocoding_scores(*, identity: tuple[str, ...] = ()) -> Evaluation:
    """Returns the evaluation of `tasks.vocoder.MadeAgain`, whose smallest mean distance is best."""

    def collect(vocoded: Any, batch: Any) -> list[float]:
        del batch
        return np.asarray(vocoded.mel_distance, np.float64).tolist()

    def score(found: Mapping[int, float], fields: Mapping[int, Fields]) -> dict[str, float]:
        del fields
        return {MEL: float(np.mean(list(found.values())))} if found else {}

    def show(scores: Scores) -> str:
        return f"mel distance {scores[MEL]:.3f}" if MEL in scores else "no mel distance"

    return Evaluation(
        lower_is_better=True,
        collect=collect,
        score=score,
        show=show,
        sample=lambda found, fields: f"  mel distance {found:.3f}",
        identity=identity,
    )
