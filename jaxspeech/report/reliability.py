"""Draws a reliability plot as inline SVG: the share of right words over their confidence, and how many words there are.

Points on the diagonal are calibrated: of words with confidence 0.8, 80 % are right. Below it the model is too sure.
"""

from collections.abc import Sequence

from jaxspeech.evaluation.confidence import ConfidenceScores, Reliability
from jaxspeech.report.curves import LEFT, RIGHT, TOP, WIDTH

TITLE = "Right words over their confidence"
# In pixels: of the whole, of the square, and of the bars below it.
HEIGHT, PLOT, BARS = 420, 300, 46
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def reliability_plot(scores: ConfidenceScores, bins: Sequence[Reliability]) -> str:
    """Draws the plot, with a bar for the words of each bin.

    Args:
      scores: of all words.
      bins: those that hold words.
    """
    bottom, floor = TOP + PLOT, TOP + PLOT + 14 + BARS

    def across(share: float) -> float:
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def up(share: float) -> float:
        return round(bottom - share * PLOT, 1)

    parts = []
    for tick in TICKS:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(tick)}" y2="{up(tick)}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{up(tick) + 4}" text-anchor="end">{100 * tick:.0f} %</text>')
        parts.append(f'<text x="{across(tick)}" y="{floor + 18}" text-anchor="middle">{tick:.1f}</text>')
    parts.append(f'<line class="diagonal" x1="{across(0.0)}" y1="{up(0.0)}" x2="{across(1.0)}" y2="{up(1.0)}"/>')
    parts.append(f'<text x="{across(0.03)}" y="{up(0.9)}">too modest</text>')
    parts.append(f'<text x="{across(0.97)}" y="{up(0.05)}" text-anchor="end">too sure</text>')
    parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>')
    parts.append(f'<text x="{LEFT - 6}" y="{floor - BARS / 2 + 4}" text-anchor="end">words</text>')
    points = [(across(part.confidence), up(part.accuracy)) for part in bins]
    path = " ".join(f"{x},{y}" for x, y in points)
    parts.append(f'<polyline class="line line0" points="{path}"/>')
    most = max((part.count for part in bins), default=1)
    dots = []
    for part, (x, y) in zip(bins, points, strict=True):
        tip = f"{part.low:.1f} to {part.high:.1f}: {part.accuracy:.1%} of {part.count} words are right"
        dots.append(f'<circle cx="{x}" cy="{y}" r="4"><title>{tip}</title></circle>')
        left, right, height = across(part.low) + 1, across(part.high) - 1, max(1.0, BARS * part.count / most)
        parts.append(
            f'<rect class="words" x="{left:.1f}" y="{floor - height:.1f}" width="{right - left:.1f}" '
            f'height="{height:.1f}"><title>{tip}</title></rect>'
        )
    parts.append(f'<g class="dots line0">{"".join(dots)}</g>')
    drawing = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{TITLE}">{"".join(parts)}</svg>'
    caption = f"<figcaption><b>{TITLE}</b><span>ECE {scores.ece:.3f}</span></figcaption>"
    return f'<div class="pair"><figure>{caption}{drawing}</figure>{_table(scores)}</div>'


def _table(scores: ConfidenceScores) -> str:
    """The scores, with what they mean."""
    rows = [
        ("words", f"{scores.words}", f"of which {scores.right / scores.words:.1%} are right"),
        ("NCE", _number(scores.nce), "1 is perfect; at 0 the mean says as much"),
        ("AUC-ROC", _number(scores.auc_roc), "0.5 is chance"),
        ("AUC-PR", _number(scores.auc_pr), "finding right words"),
        ("AUC-NT", _number(scores.auc_nt), "finding wrong words"),
        ("AUC-YC", _number(scores.auc_yc), f"at most {_number(scores.yc_max)} at one threshold"),
        ("ECE", _number(scores.ece), "10 bins; 0 is calibrated"),
        ("ECE of NeMo", _number(scores.nemo_ece), "100 bins of decisions"),
    ]
    cells = (f'<tr><th>{name}</th><td>{value}</td><td class="why">{why}</td></tr>' for name, value, why in rows)
    return f"<figure><figcaption><b>Confidences</b></figcaption><table><tbody>{''.join(cells)}</tbody></table></figure>"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
