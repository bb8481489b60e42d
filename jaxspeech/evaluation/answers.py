"""The scores of a model's answers: word error rate, BLEU, share of right answers, and accuracy of single tokens.

A line's field "score" says what its answer is: "wer", a transcript; "bleu", a translation; "answer", right or wrong as
a whole, by kinds if lines have a "kind". The accuracy of tokens is the share of targets that the model finds the most
probable, given the true tokens before each: what training lowers the loss of, and no measure of what it says by itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.evaluation.bleu import bleu
from jaxspeech.evaluation.evaluation import Evaluation, Fields, Scores
from jaxspeech.evaluation.word_error_rate import reference
from jaxspeech.text.canonical import comparable
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.tokenizer import Tokenizer

SCORE, KIND = "score", "kind"
WER, BLEU, ANSWER = SCORES = ("wer", "bleu", "answer")
# What the names of the shares of single kinds begin with.
OF_KIND = "right_"


class Found(NamedTuple):
    """What is kept of a row.

    Attributes:
      text: the answer.
      right: number of targets that were the most probable token.
      targets: their number.
    """

    text: str
    right: int
    targets: int


def check_score(name: Any, *, where: str) -> str:
    """Returns the name of a score.

    Raises:
      ConfigError: there is no such score.
    """
    if name not in SCORES:
        raise ConfigError(f"{where} is {name!r}{did_you_mean(str(name), SCORES)}")
    return name


def answers(
    tokenizer: Tokenizer, *, score: str = WER, asked: Callable[[Fields], str] = lambda fields: ""
) -> Evaluation:
    """Returns the evaluation of `tasks.speech_lm.Answered` against references, the field "text" of the examples.

    The scores are shares: "bleu" is 0.613 where BLEU is 61.3.

    Args:
      tokenizer: decodes the tokens to text.
      score: of a line that does not say it.
      asked: what the user says last in an example, for the report.
    """

    def collect(answered: Any, batch: Any) -> list[Found]:
        del batch
        ids, counts = np.asarray(answered.tokens.ids), np.asarray(answered.tokens.num_tokens)
        texts = [tokenizer.decode(row[:count].tolist()).strip() for row, count in zip(ids, counts, strict=True)]
        return [
            Found(text, int(right), int(targets))
            for text, right, targets in zip(texts, answered.right, answered.targets, strict=True)
        ]

    def scored(found: Mapping[int, Found], fields: Mapping[int, Fields]) -> dict[str, float]:
        groups: dict[str, list[int]] = {name: [] for name in SCORES}
        for index in found:
            groups[check_score(fields[index].get(SCORE, score), where=f'the "{SCORE}" of a line')].append(index)
        said = {name: [reference(fields[index]) for index in rows] for name, rows in groups.items()}
        given = {name: [found[index].text for index in rows] for name, rows in groups.items()}
        scores: dict[str, float] = {}
        if (errors := word_errors(said[WER], given[WER])).length:
            scores["wer"] = errors.rate
        if any(text.strip() for text in said[BLEU]):
            scores["bleu"] = bleu(said[BLEU], given[BLEU]) / 100
        if rows := groups[ANSWER]:
            marks = [same_answer(*pair) for pair in zip(said[ANSWER], given[ANSWER], strict=True)]
            scores["right"] = sum(marks) / len(rows)
            scores |= by_kind([str(fields[index].get(KIND) or "") for index in rows], marks)
        targets = sum(one.targets for one in found.values())
        if targets:
            scores["token_accuracy"] = sum(one.right for one in found.values()) / targets
        return scores

    def show(scores: Scores) -> str:
        parts = [f"WER {scores['wer']:.2%}"] if "wer" in scores else []
        parts += [f"BLEU {100 * scores['bleu']:.1f}"] if "bleu" in scores else []
        if "right" in scores:
            kinds = {name: share for name, share in scores.items() if name.startswith(OF_KIND)}
            each = ", ".join(f"{name.removeprefix(OF_KIND)} {share:.1%}" for name, share in kinds.items())
            parts.append(f"{scores['right']:.1%} right" + (f" ({each})" if each else ""))
        parts += [f"{scores['token_accuracy']:.1%} of tokens"] if "token_accuracy" in scores else []
        return ", ".join(parts) or "no score (no reference has a word)"

    def sample(found: Found, fields: Fields) -> str:
        question = asked(fields)
        lines = [f"  asked:    {question}"] if question else []
        return "\n".join([*lines, f"  expected: {reference(fields)}", f"  answered: {found.text}"])

    rising = ("bleu", "right", "token_accuracy")
    return Evaluation(True, collect, scored, show, sample, ("text",), shares=("wer", *rising), rising=rising)


def has_answer(fields: Fields) -> bool:
    """Whether it is known what the answer of an example should be."""
    return isinstance(fields.get("text"), str)


def same_answer(expected: str, found: str) -> bool:
    """Whether two answers are the same but for case, white space and their Unicode form."""
    first, second = (" ".join(comparable(text).casefold().split()) for text in (expected, found))
    return first == second


def by_kind(kinds: list[str], marks: list[bool]) -> dict[str, float]:
    """Returns the share of right answers of each kind by name; none unless there are several."""
    groups: dict[str, list[bool]] = {}
    for kind, mark in zip(kinds, marks, strict=True):
        groups.setdefault(kind, []).append(mark)
    if len(groups) < 2:
        return {}
    return {f"{OF_KIND}{kind}": sum(found) / len(found) for kind, found in sorted(groups.items()) if kind}
