"""Draws line charts as inline SVG: one quantity over the steps of a run."""

import html
import math
from collections.abc import Sequence

WIDTH, HEIGHT = 420, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 30
MOST_POINTS = 500


def curve(title: str, lines: dict[str, list[tuple[float, float]]], *, unit: str = "", log: bool = False) -> str:
    """Draws a chart with a line for each name; returns "" if there is nothing to show.

    Args:
      title: of the chart.
      lines: (step, value) pairs in order of the steps; values that are not finite are left out.
      unit: "%" shows fractions as percentages.
      log: a logarithmic axis, if all values are positive.
    """
    kept = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in lines.items()}
    kept = {name: _thinned(points) for name, points in kept.items() if points}
    if not kept:
        return ""
    xs = [x for points in kept.values() for x, _ in points]
    ys = [y for points in kept.values() for _, y in points]
    log = log and min(ys) > 0
    to_axis = math.log10 if log else float
    x_ticks = ticks(min(xs), max(xs), 5)
    # Powers of ten on a logarithmic axis of a decade or more; else round numbers at equal distances.
    y_ticks = _decades(min(ys), max(ys)) if log else ticks(min(ys), max(ys), 4)
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1)
    y_low, y_high = min(to_axis(min(ys)), to_axis(y_ticks[0])), max(to_axis(max(ys)), to_axis(y_ticks[-1]))
    y_high = y_high if y_high > y_low else y_low + 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (to_axis(y) - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return round(across, 1), round(up, 1)

    parts = []
    for tick in y_ticks:
        _, y = place(x_low, tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{_number(tick, unit)}</text>')
    for tick in x_ticks:
        if x_low <= tick <= x_high:
            x, _ = place(tick, ys[0])
            parts.append(f'<text x="{x}" y="{HEIGHT - 10}" text-anchor="middle">{_number(tick)}</text>')
    for i, (name, points) in enumerate(kept.items()):
        placed = [place(x, y) for x, y in points]
        path = " ".join(f"{x},{y}" for x, y in placed)
        last = f"{name}: {_number(points[-1][1], unit)} at step {_number(points[-1][0])}"
        parts.append(
            f'<polyline class="line line{i % 4}" points="{path}"><title>{html.escape(last)}</title></polyline>'
        )
        if len(points) < 40:
            dots = "".join(
                f'<circle cx="{px}" cy="{py}" r="2.5"><title>{html.escape(name)} {_number(y, unit)} at step '
                f"{_number(x)}</title></circle>"
                for (px, py), (x, y) in zip(placed, points, strict=True)
            )
            parts.append(f'<g class="dots line{i % 4}">{dots}</g>')
    latest = ", ".join(
        (f'<span class="key line{i % 4}">{html.escape(name)}</span> ' if len(kept) > 1 else "")
        + _number(points[-1][1], unit)
        for i, (name, points) in enumerate(kept.items())
    )
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>'
    caption = f"<figcaption><b>{html.escape(title)}</b><span>{latest}</span></figcaption>"
    return f"<figure>{caption}{drawing}</figure>"


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Reduces the points to at most MOST_POINTS: the mean of each group, and the last point as it is."""
    if len(points) <= MOST_POINTS:
        return list(points)
    size = math.ceil(len(points) / (MOST_POINTS - 1))
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    means = [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]
    return [*means, points[-1]]


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers that cover low to high."""
    if high <= low:
        low, high = low - abs(low) * 0.1, high + abs(high) * 0.1 or 1.0
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten that cover low to high, or round numbers for less than a decade."""
    if high / low < 10:
        return ticks(low, high, 4)[1:] or [low]
    return [10.0**power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def _number(value: float, unit: str = "") -> str:
    if unit == "%":
        return f"{value * 100:.3g} %"
    magnitude = abs(value)
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if magnitude >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:.4g}"
