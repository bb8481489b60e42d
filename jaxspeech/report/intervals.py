"""Draws the word error rates of systems with their intervals as inline SVG: a dot and a line for each."""

import html

from jaxspeech.evaluation.bootstrap import LEVEL
from jaxspeech.evaluation.comparison import Comparison
from jaxspeech.report.curves import ticks

TITLE = f"Word error rates, with {LEVEL:.0%} intervals"
# In pixels: width, space for names and values, height of a row, space above, and for the axis.
WIDTH, LEFT, RIGHT, ROW, TOP, AXIS = 640, 170, 30, 30, 8, 28
LETTERS = 24  # of a name that are shown


def interval_plot(comparison: Comparison) -> str:
    """Draws the plot; "" if no reference has a word."""
    known = {name: system for name, system in comparison.systems.items() if system.interval is not None}
    if not known:
        return ""
    ends = [end for system in known.values() for end in system.interval or ()]
    marks = ticks(min(ends), max(ends), 5)
    low, high, bottom = marks[0], marks[-1], TOP + ROW * len(known)

    def across(rate: float) -> float:
        return round(LEFT + (rate - low) / (high - low) * (WIDTH - LEFT - RIGHT), 1)

    parts = []
    for mark in marks:
        parts.append(f'<line class="grid" x1="{across(mark)}" x2="{across(mark)}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(
            f'<text x="{across(mark)}" y="{bottom + 18}" text-anchor="middle">{round(100 * mark, 6):g} %</text>'
        )
    for row, (name, system) in enumerate(known.items()):
        y, (start, stop) = TOP + ROW * row + ROW / 2, system.interval or (0.0, 0.0)
        shown = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
        tip = f"{name}: {system.errors.rate:.2%}, {start:.2%} to {stop:.2%}"
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 4}" text-anchor="end">{html.escape(shown)}</text>'
            f'<line class="whisker line{row % 4}" x1="{across(start)}" x2="{across(stop)}" y1="{y}" y2="{y}"/>'
            f'<g class="dots line{row % 4}"><circle cx="{across(system.errors.rate)}" cy="{y}" r="4.5">'
            f"<title>{html.escape(tip)}</title></circle></g>"
        )
    height = bottom + AXIS
    drawing = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{TITLE}">{"".join(parts)}</svg>'
    return f'<figure class="wide"><figcaption><b>{TITLE}</b></figcaption>{drawing}</figure>'
