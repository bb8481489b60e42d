"""The page: numbers, curves, tables, and the worst utterances. It loads nothing and runs no script.

Transcripts and names come from files that anybody may have written: all text is escaped, and the page's own policy
forbids scripts and requests.
"""

import html
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxspeech.files import replace_atomically
from jaxspeech.report.curves import curve
from jaxspeech.report.players import card
from jaxspeech.report.style import CSS
from jaxspeech.report.tables import by_length, by_speaker
from jaxspeech.report.utterance import Recording, Utterance, worst
from jaxspeech.text.error_rate import ErrorCounts

# (title, scalars that share a chart, unit, logarithmic); a scalar's name is the history's.
CHARTS = (
    ("Loss", ("train/loss",), "", True),
    ("Word error rate", ("wer/",), "%", False),
    ("Learning rate", ("train/learning_rate",), "", False),
    ("Norm of the gradient", ("train/grad_norm",), "", True),
    ("Seconds of audio a second", ("train/audio_seconds_per_second",), "", False),
    ("Time spent waiting for input", ("train/input_share",), "%", False),
    ("FLOP/s", ("train/flops_per_second",), "", False),
    ("Share of the peak FLOP/s (MFU)", ("train/mfu",), "%", False),
)
WORST_SHOWN = 12


class EvaluatedSet(NamedTuple):
    """What the last evaluation heard in one set.

    Attributes:
      name: of the set.
      utterances: all of them.
      recordings: of the worst, by name.
    """

    name: str
    utterances: list[Utterance]
    recordings: Mapping[str, Recording]


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    facts: Mapping[str, str],
    history: Sequence[Mapping[str, float | int]],
    sets: Sequence[EvaluatedSet],
    settings: Any,
) -> None:
    """Writes the page, in place of the one that was there.

    Args:
      path: of the HTML file.
      title: of the run.
      facts: what to say first, such as {"parameters": "2.1 M"}.
      history: {"step": ..., name: value, ...} of each time that something was logged.
      sets: the last evaluation.
      settings: the config, as JSON can hold it.
    """
    body = [
        f"<h1>{html.escape(title)}</h1>",
        _facts(facts),
        '<section class="curves">' + "".join(_charts(history)) + "</section>",
        *(_evaluated(evaluated) for evaluated in sets),
        "<details><summary>Settings</summary><pre>"
        + html.escape(json.dumps(settings, indent=2, ensure_ascii=False))
        + "</pre></details>",
    ]
    page = _PAGE.format(title=html.escape(title), css=CSS, body="\n".join(body))
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


# The policy admits the page's own style, pictures and sounds, and nothing else.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
media-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _facts(facts: Mapping[str, str]) -> str:
    cells = (f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{"".join(cells)}</dl>'


def _charts(history: Sequence[Mapping[str, float | int]]) -> list[str]:
    names = list(dict.fromkeys(name for entry in history for name in entry if name != "step"))
    charts = []
    for title, wanted, unit, log in CHARTS:
        shown = [name for name in names if name.startswith(wanted)]
        lines = {
            name.partition("/")[2]: [(float(e["step"]), float(e[name])) for e in history if name in e] for name in shown
        }
        charts.append(curve(title, lines, unit=unit, log=log))
    return charts


def _evaluated(evaluated: EvaluatedSet) -> str:
    utterances = evaluated.utterances
    if not utterances:
        return ""
    total = ErrorCounts(*(sum(column) for column in zip(*(u.errors for u in utterances), strict=True)))
    perfect = sum(u.errors.errors == 0 for u in utterances) / len(utterances)
    summary = (
        f"{len(utterances)} utterances, {total.length} words: WER {total.rate:.2%} "
        f"({total.substitutions} wrong, {total.deletions} left out, {total.insertions} put in); "
        f"{perfect:.0%} of the utterances without an error."
    )
    cards = [card(u, evaluated.recordings.get(u.name)) for u in worst(utterances, WORST_SHOWN)]
    speakers = by_speaker(utterances)
    return (
        f"<section><h2>{html.escape(evaluated.name)}</h2><p>{summary}</p>"
        f"<h3>By length</h3>{by_length(utterances)}"
        + (f"<h3>By speaker</h3>{speakers}" if speakers else "")
        + (f'<h3>Most errors</h3><div class="cards">{"".join(cards)}</div>' if cards else "")
        + "</section>"
    )
