"""Scores the activity of speakers: the diarization error rate of the turns, F1 and accuracy of the frames.

Turns are scored against those of the manifest's lines, so that speakers for whom the model has no column are missed.
Frames are scored in the order of the speakers that fits best, against the targets of training.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.line_turns import has_turns, turns_of_line
from jaxspeech.diarization.targets import ACTIVE
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import SpeechError
from jaxspeech.evaluation.diarization import DiarizationErrors, diarization_errors, total
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores

# (probabilities [T S], seconds of the recording) -> turns
FindTurns = Callable[[Any, float], list[Turn]]


def activity_scores(find_turns: FindTurns, *, sample_rate: int, collar: float = 0.25) -> Evaluation:
    """Returns the evaluation of (probabilities [B T S], num_frames [B]) against a batch's activity.

    The result of an example is {"frames": numbers of active frames, both, true, found and all; "turns": [start, end,
    number of the speaker]; "seconds"}.

    Args:
      find_turns: turns the probabilities of a recording into turns.
      sample_rate: of the batch's samples, in Hz.
      collar: of the error rate, see `diarization_errors`; overlap counts.
    """

    def collect(prediction: Any, batch: Any) -> list[dict[str, Any]]:
        probs, num_frames = prediction
        activity, results = np.asarray(batch.activity), []
        for row, count in enumerate(np.minimum(num_frames, batch.num_activity).tolist()):
            seconds = float(batch.num_samples[row]) / sample_rate
            turns = find_turns(probs[row, : int(num_frames[row])], seconds)
            truth, found = activity[row, :count] >= ACTIVE, probs[row, :count] > ACTIVE
            frames = _frames(truth, found[:, best_columns(truth, probs[row, :count])])
            numbers = {name: number for number, name in enumerate(dict.fromkeys(turn.speaker for turn in turns))}
            numbered = [[turn.start, turn.end, numbers[turn.speaker]] for turn in turns]
            results.append({"frames": frames, "turns": numbered, "seconds": seconds})
        return results

    def score(found: Mapping[int, Any], fields: Mapping[int, Fields]) -> dict[str, float]:
        known = [index for index in found if has_turns(fields[index])]
        if not known:
            return {}
        both, true, guessed, frames = np.sum([found[index]["frames"] for index in known], axis=0).tolist()
        of_frames = {"f1": 2 * both / (true + guessed) if true + guessed else 1.0}
        of_frames["accuracy"] = 1 - (true + guessed - 2 * both) / max(frames, 1)
        errors = total([_errors(found[index], fields[index], collar) for index in known])
        if not errors.scored:
            return of_frames
        parts = {"missed": errors.missed, "false_alarm": errors.false_alarm, "confusion": errors.confusion}
        shares = {name: errors.share(seconds) for name, seconds in parts.items()}
        return {"der": errors.der, **of_frames, **shares, "count_error": errors.count_errors / errors.recordings}

    def show(scores: Scores) -> str:
        if "f1" not in scores:
            return "no error rate (no line has turns)"
        der = f"DER {scores['der']:.1%}, " if "der" in scores else ""
        return f"{der}F1 {scores['f1']:.1%}"

    def sample(result: Any, fields: Fields) -> str:
        speakers = len({speaker for _, _, speaker in result["turns"]})
        if not has_turns(fields):
            return f"  found: {speakers} speakers"
        errors = _errors(result, fields, collar)
        return f"  true: {errors.speakers} speakers\n  found: {speakers} speakers, DER {errors.der:.1%}"

    return Evaluation(
        lower_is_better=True,
        collect=collect,
        score=score,
        show=show,
        sample=sample,
        identity=("num_speakers", "turns"),
        shares=("der", "f1", "accuracy", "missed", "false_alarm", "confusion"),
        rising=("f1", "accuracy"),
    )


def plain_turns(probs: Float[Any, "T S"], seconds: float, *, frame_seconds: float) -> list[Turn]:
    """Finds a turn for each stretch of frames in which a speaker is active; it ends in `seconds` at the latest."""
    edges = np.diff(np.pad(np.asarray(probs) > ACTIVE, ((1, 1), (0, 0))).astype(np.int8), axis=0)
    turns = []
    for speaker in range(edges.shape[1]):
        starts, ends = (np.flatnonzero(edges[:, speaker] == sign) * frame_seconds for sign in (1, -1))
        pairs = zip(starts.tolist(), np.minimum(ends, seconds).tolist(), strict=True)
        turns += [Turn(start, end, f"speaker_{speaker}") for start, end in pairs if end > start]
    return turns


def best_columns(truth: Bool[np.ndarray, "T S"], probs: Float[np.ndarray, "T S"]) -> Int[np.ndarray, " S"]:
    """Finds the column of the probabilities for each true speaker, by the greatest probability in his frames."""
    return linear_sum_assignment(truth.astype(np.float64).T @ probs, maximize=True)[1]


def _frames(truth: Bool[np.ndarray, "T S"], found: Bool[np.ndarray, "T S"]) -> list[int]:
    return [int((truth & found).sum()), int(truth.sum()), int(found.sum()), truth.size]


def _errors(result: Any, fields: Fields, collar: float) -> DiarizationErrors:
    """The errors of one example; turns outside of it do not count."""
    offset, seconds = float(fields.get("offset") or 0), result["seconds"]
    try:
        turns = turns_of_line(fields)
    except SpeechError:  # it was reported when its row was made
        return DiarizationErrors()
    truth = [
        Turn(max(start - offset, 0.0), min(end - offset, seconds), speaker)
        for start, end, speaker in turns
        if end > offset and start < offset + seconds
    ]
    found = [Turn(start, end, str(number)) for start, end, number in result["turns"]]
    return diarization_errors(truth, found, collar=collar, scored=[(0.0, seconds)])
