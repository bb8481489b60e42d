"""Tables that show where the errors are: by length, by language, by speaker."""

import html
import math
from collections.abc import Sequence
from itertools import pairwise

from jaxspeech.report.utterance import Utterance
from jaxspeech.text.error_rate import ErrorCounts

LENGTHS = (0, 1, 2, 4, 7, 10, 15, 20, 30, math.inf)
MOST_SPEAKERS = 20


def by_length(utterances: Sequence[Utterance]) -> str:
    """A table of the errors by the length of the utterances; "" if no length is known."""
    if not any(utterance.seconds for utterance in utterances):
        return ""
    groups = {}
    for low, high in pairwise(LENGTHS):
        inside = [utterance for utterance in utterances if low <= utterance.seconds < high]
        if inside:
            groups[f"{low} to {high} s" if high < math.inf else f"from {low} s"] = inside
    return _table("length", groups)


def by_language(utterances: Sequence[Utterance]) -> str:
    """A table of the languages; "" unless the manifest names several."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(utterance.language, []).append(utterance)
    if len(groups) < 2:
        return ""
    return _table("language", {name or "(not named)": group for name, group in sorted(groups.items())})


def by_speaker(utterances: Sequence[Utterance]) -> str:
    """A table of the speakers with the most errors; "" if the manifest names no speakers."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        groups.setdefault(utterance.speaker, []).append(utterance)
    if set(groups) == {""}:
        return ""
    ordered = sorted(groups.items(), key=lambda group: -_total(group[1]).rate)
    left = len(ordered) - MOST_SPEAKERS
    note = f"<p class=note>and {left} more with fewer errors</p>" if left > 0 else ""
    return _table("speaker", {name or "(not named)": group for name, group in ordered[:MOST_SPEAKERS]}) + note


def _table(title: str, groups: dict[str, list[Utterance]]) -> str:
    totals = {name: _total(group) for name, group in groups.items()}
    most = max((total.rate for total in totals.values() if math.isfinite(total.rate)), default=0.0)
    rows = [
        _row(name, len(groups[name]), sum(u.seconds for u in groups[name]), total, most)
        for name, total in totals.items()
    ]
    head = "".join(
        f"<th>{column}</th>"
        for column in (title, "utterances", "minutes", "words", "substituted", "deleted", "inserted", "WER", "")
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(name: str, count: int, seconds: float, total: ErrorCounts, most: float) -> str:
    share = total.rate / most * 100 if most and math.isfinite(total.rate) else 0.0
    numbers = [
        str(count),
        f"{seconds / 60:.1f}",
        str(total.length),
        str(total.substitutions),
        str(total.deletions),
        str(total.insertions),
        f"{total.rate:.1%}",
    ]
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    bar = f'<td class="bar"><i style="width:{share:.0f}%"></i></td>'
    return f"<tr><th>{html.escape(name)}</th>{cells}{bar}</tr>"


def _total(utterances: Sequence[Utterance]) -> ErrorCounts:
    return ErrorCounts(*(sum(column) for column in zip(*(u.errors for u in utterances), strict=True)))
