"""Accuracy and macro F1 of a classifier: the share of examples whose class is found, and the mean over classes of

F1 = 2 hits / (examples of the class + examples found to be of it)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
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

    def score(found: Mapping[int, str], fields: Mapping[int, Fields]) -> dict[str, float]:
        pairs = [(class_name(fields[index], field), name) for index, name in found.items()]
        counts = confusion((truth, name) for truth, name in pairs if truth is not None)
        return {"accuracy": accuracy(counts), "macro_f1": macro_f1(counts)} if counts else {}

    def show(scores: Scores) -> str:
        if "accuracy" not in scores:
            return f"no accuracy (no example has a {field})"
        return f"accuracy {scores['accuracy']:.1%}, macro F1 {scores['macro_f1']:.1%}"

    def sample(found: str, fields: Fields) -> str:
        return f"  truth: {class_name(fields, field) or ''}\n  found: {found}"

    return Evaluation(False, collect, score, show, sample, identity=(field,), shares=("accuracy", "macro_f1"))


def confusion(pairs: Any) -> Counter[tuple[str, str]]:
    """Counts how often each true class was found to be each class: (truth, found) -> examples."""
    return Counter(pairs)


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
