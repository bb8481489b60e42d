"""Writes the page of a run: numbers, curves, and a section for each evaluated set. It loads nothing and runs no script.

Transcripts and names come from untrusted files: all text is escaped, and the page's content security policy forbids
scripts and requests.
"""

import html
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.files import replace_atomically
from jaxspeech.report.curves import curve
from jaxspeech.report.style import CSS

# (title, scalars that share a chart, unit, logarithmic); scalars have the names of the history.
CHARTS = (
    ("Learning rate", ("train/learning_rate",), "", False),
    ("Norm of the gradient", ("train/grad_norm",), "", True),
    ("Seconds of audio a second", ("train/audio_seconds_per_second",), "", False),
    ("Time spent waiting for input", ("train/input_share",), "%", False),
    ("FLOP/s", ("train/flops_per_second",), "", False),
    ("Share of the peak FLOP/s (MFU)", ("train/mfu",), "%", False),
)
LOSS = ("Loss", ("train/loss",), "", True)
# The group of the training steps' scalars; every other group holds one score.
OF_STEPS = "train"


class EvaluatedSet(NamedTuple):
    """The results of the last evaluation on one set.

    Attributes:
      name: of the set.
      scores: as text; "" if the section says them.
      section: HTML about its examples; see `report.view`.
    """

    name: str
    scores: str
    section: str


def write_report(
    path: str | os.PathLike,
    *,
    title: str,
    facts: Mapping[str, str],
    history: Sequence[Mapping[str, float | int]],
    sets: Sequence[EvaluatedSet],
    settings: Any,
    shares: Sequence[str] = (),
) -> None:
    """Writes the page, and replaces an existing one.

    Args:
      path: of the HTML file, whose folder is made if it is missing.
      title: of the run.
      facts: shown at the top, for example {"parameters": "2.1 M"}.
      history: {"step": ..., name: value, ...} for each time that something was logged.
      sets: the results of the last evaluation.
      settings: the config, as JSON values.
      shares: names of the scores that are shown in per cent.
    """
    body = [
        f"<h1>{html.escape(title)}</h1>",
        _facts(facts),
        '<section class="curves">' + "".join(_charts(history, shares)) + "</section>" if history else "",
        *(_evaluated(evaluated) for evaluated in sets),
        "<details><summary>Settings</summary><pre>"
        + html.escape(json.dumps(settings, indent=2, ensure_ascii=False))
        + "</pre></details>",
    ]
    page = _PAGE.format(title=html.escape(title), css=CSS, body="\n".join(body))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replace_atomically(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


# The policy allows inline styles and embedded images and audio, and nothing else.
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


def _charts(history: Sequence[Mapping[str, float | int]], shares: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(name for entry in history for name in entry if name != "step"))
    groups = dict.fromkeys(name.partition("/")[0] for name in names)
    scores = [(_title(group), (f"{group}/",), "%" * (group in shares), False) for group in groups if group != OF_STEPS]
    charts = []
    for title, wanted, unit, log in (LOSS, *scores, *CHARTS):
        shown = [name for name in names if name.startswith(wanted)]
        lines = {
            name.partition("/")[2]: [(float(e["step"]), float(e[name])) for e in history if name in e] for name in shown
        }
        charts.append(curve(title, lines, unit=unit, log=log))
    return charts


def _title(score: str) -> str:
    """The title of a score's chart, with abbreviations in capitals: "WER", "Accuracy"."""
    return score.upper() if len(score) <= 4 else score.capitalize()


def _evaluated(evaluated: EvaluatedSet) -> str:
    name, scores = html.escape(evaluated.name), html.escape(evaluated.scores)
    said = f"<p>{scores}</p>" if scores else ""
    return f"<section><h2>{name}</h2>{said}{evaluated.section}</section>"
