"""A table of a classifier's mistakes: how often each true class (rows) was found to be each class (columns)."""

import html
from collections.abc import Iterable

from jaxspeech.evaluation.classification import confusion

# With more classes a table could not be read: a list of the most frequent mistakes is shown instead.
MOST_CLASSES = 40
MOST_MISTAKES = 40


def confusion_table(pairs: Iterable[tuple[str, str] | None]) -> str:
    """Makes the table of (true class, found class) pairs, as HTML; "" if there is none."""
    counts = confusion(pairs)
    names = sorted({name for pair in counts for name in pair})
    if not counts:
        return ""
    if len(names) > MOST_CLASSES:
        wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]][:MOST_MISTAKES]
        rows = [f"{_head(truth)}{_head(found)}<td>{count}</td>" for (truth, found), count in wrong]
        return _table(["truth", "found", "examples"], rows)
    rows = []
    for truth in names:
        row = [counts.get((truth, found), 0) for found in names]
        cells = [_cell(count, hit=truth == found) for found, count in zip(names, row, strict=True)]
        right = f"{counts.get((truth, truth), 0) / sum(row):.0%}" if sum(row) else ""
        rows.append(f"{_head(truth)}{''.join(cells)}<td>{sum(row)}</td><td>{right}</td>")
    return _table(["truth \\ found", *names, "examples", "right"], rows)


def _head(name: str) -> str:
    return f"<th>{html.escape(name)}</th>"


def _cell(count: int, *, hit: bool) -> str:
    return f'<td class="{"hit" if hit else "miss"}">{count or ""}</td>'


def _table(head: list[str], rows: list[str]) -> str:
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{"".join(map(_head, head))}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
