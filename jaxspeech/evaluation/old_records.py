"""Converts old records and archives, whose only score was a word error rate, to the current format."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def with_scores(record: Mapping[str, Any]) -> Json:
    """Converts a checkpoint's record {"wer": {set: rate}, "best": rate} to {"scores": {set: {"wer": rate}}, ...}."""
    if "wer" not in record:
        return dict(record)
    rest = {name: value for name, value in record.items() if name not in ("wer", "best")}
    best = record.get("best")
    scores = {name: {"wer": rate} for name, rate in record["wer"].items()}
    upgraded = rest | {"scores": scores, "best": None if best is None else {"wer": best}}
    if "config" in upgraded:
        init = upgraded["config"].get("init", {})
        renamed = {"tolerance" if name == "wer_tolerance" else name: value for name, value in init.items()}
        upgraded["config"] = upgraded["config"] | {"init": renamed}
    return upgraded


def stated_scores(metadata: Mapping[str, Any]) -> dict[str, Json]:
    """Returns the scores in an archive's metadata: {name of a set: {"set": its identity, "scores": {score: value}}}."""
    return {
        name: {"set": stated["set"], "scores": stated["scores"] if "scores" in stated else {"wer": stated["wer"]}}
        for name, stated in metadata.get("evaluation", {}).items()
    }
