"""Draws the DET curve of verification trials as inline SVG: the misses over the false alarms of every threshold.

Both axes show x = Phi^-1(rate), so that the curve of normally distributed scores is a straight line (Martin et al.,
"The DET Curve in Assessment of Detection Task Performance", 1997). Rates of less than 0.1 % lie on an axis.
"""

from statistics import NormalDist

import numpy as np
from jaxtyping import Int

from jaxspeech.evaluation.verification import EqualErrors, Rates, equal_errors
from jaxspeech.report.curves import BOTTOM, LEFT, RIGHT, TOP, WIDTH

TITLE = "Misses over false alarms (DET)"
HEIGHT = 380
TICKS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99)
LEAST_HIGH = 0.4
# Points of the curve on each axis.
MOST_POINTS = 300


def det_curve(rates: Rates) -> str:
    """Draws the curve, with the line of equal rates and a dot at the equal error rate.

    Args:
      rates: of trials, see `evaluation.verification.error_rates`.
    """
    eer = equal_errors(rates)
    # The corner that is shown reaches from 0.1 % to well above the equal error rate.
    ticks = [tick for tick in TICKS if tick <= max(LEAST_HIGH, _next_tick(2 * eer.rate))]
    low, high = ticks[0], ticks[-1]

    def across(rate: float) -> float:
        return round(LEFT + _share(rate, low, high) * (WIDTH - LEFT - RIGHT), 1)

    def up(rate: float) -> float:
        return round(HEIGHT - BOTTOM - _share(rate, low, high) * (HEIGHT - TOP - BOTTOM), 1)

    parts = []
    for tick in ticks:
        x, y, text = across(tick), up(tick), f"{100 * tick:g} %"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{text}</text>')
        parts.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="middle">{text}</text>')
    parts.append(f'<line class="grid" x1="{across(low)}" x2="{across(high)}" y1="{up(low)}" y2="{up(high)}"/>')
    chosen = _shown(rates, low, high)
    placed = [(across(x), up(y)) for x, y in zip(rates.false_alarms[chosen], rates.misses[chosen], strict=True)]
    path = " ".join(f"{x},{y}" for x, y in dict.fromkeys(placed))
    parts.append(f'<polyline class="line line0" points="{path}"/>')
    dot = f'<circle cx="{across(eer.rate)}" cy="{up(eer.rate)}" r="3.5"><title>{_words(eer)}</title></circle>'
    parts.append(f'<g class="dots line1">{dot}</g>')
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{TITLE}">{"".join(parts)}</svg>'
    figure = f"<figure><figcaption><b>{TITLE}</b><span>{_words(eer)}</span></figcaption>{drawing}</figure>"
    return f'<div class="curves">{figure}</div>'


def _shown(rates: Rates, low: float, high: float) -> Int[np.ndarray, " N"]:
    """Chooses the thresholds to draw: of very many, those at which a rate passes one of `MOST_POINTS` levels."""
    last = len(rates.misses) - 1
    chosen = np.arange(last + 1)
    if last > 2 * MOST_POINTS:
        deviates = np.linspace(NormalDist().inv_cdf(low), NormalDist().inv_cdf(high), MOST_POINTS)
        levels = np.array([NormalDist().cdf(x) for x in deviates])
        passed = np.searchsorted(rates.misses, levels), last - np.searchsorted(rates.false_alarms[::-1], levels)
        chosen = np.unique(np.clip(np.concatenate(passed), 0, last))
    inside = (rates.misses[chosen] <= high) & (rates.false_alarms[chosen] <= high)
    return chosen[inside] if inside.any() else chosen


def _words(eer: EqualErrors) -> str:
    return f"equal at {eer.rate:.2%}, threshold {eer.threshold:.4f}"


def _next_tick(rate: float) -> float:
    return next((tick for tick in TICKS if tick >= rate), TICKS[-1])


def _share(rate: float, low: float, high: float) -> float:
    """The place of a rate between those at the ends of an axis, from 0 to 1."""
    first, last, here = (NormalDist().inv_cdf(x) for x in (low, high, min(max(rate, low), high)))
    return (here - first) / (last - first)
