"""Accuracy and macro F1 of a classifier: the share of examples whose class is found, and the mean over classes of

F1 = 2 hits / (examples of the class + examples found to be of it)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.text.classes import class_name


def classification_scores(names: Sequence[str], *, field: str = "label") -> Evaluation:
    """Returns the evaluation of probabilities [B C]; the result of an example is the name of its likeliest class.

    Args:
      names: of the classes.
      field: of the manifest, that has the true name; examples without one are not scored.
    """

    def collect(probs: Any, batch: Any) -> list[str]:
        del batch
        return [names[int(number)] for number in probs.argmax(-1)]

    def pair(found: str, fields: Fields) -> tuple[str, str] | None:
        truth = class_name(fields, field)
        return None if truth is None else (truth, found)

    def score(found: Mapping[int, str], fields: Mapping[int, Fields]) -> dict[str, float]:
        counts = confusion(pair(name, fields[index]) for index, name in found.items())
        return {"accuracy": accuracy(counts), "macro_f1": macro_f1(counts)} if counts else {}

    def show(scores: Scores) -> str:
        if "accuracy" not in scores:
            return f"no accuracy (no example has a {field})"
        return f"accuracy {scores['accuracy']:.1%}, macro F1 {scores['macro_f1']:.1%}"

    def sample(found: str, fields: Fields) -> str:
        return f"  truth: {class_name(fields, field) or ''}\n  found: {found}"

    return Evaluation(
        lower_is_better=False,
        collect=collect,
        score=score,
        show=show,
        sample=sample,
        identity=(field,),
        shares=("accuracy", "macro_f1"),
        pair=pair,
    )


def confusion(pairs: Iterable[tuple[str, str] | None]) -> Counter[tuple[str, str]]:
    """Counts how often each true class was found to be each class: (truth, found) -> examples; None is left out."""
    return Counter(pair for pair in pairs if pair is not None)


def accuracy(counts: Mapping[tuple[str, str], int]) -> float:
    """The share of right examples, of counts that are not empty."""
    return sum(count for (truth, name), count in counts.items() if truth == name) / sum(counts.values())


def macro_f1(counts: Mapping[tuple[str, str], int]) -> float:
    """The mean F1 of the classes that occur as truth or as found, of counts that are not empty."""
    either: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for (truth, name), count in counts.items():
        either[truth] += count
        either[name] += count
        hits[truth] += count * (truth == name)
    return sum(2 * hits[name] / total for name, total in either.items()) / len(either)
