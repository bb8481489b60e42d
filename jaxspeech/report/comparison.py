"""Shows a comparison of systems in HTML: rates and costs of each, significance, and utterances on which they differ."""

import html
from collections.abc import Callable, Mapping, Sequence

from jaxspeech.evaluation.bootstrap import LEVEL
from jaxspeech.evaluation.comparison import Comparison, Pair, SystemScores
from jaxspeech.report.intervals import interval_plot
from jaxspeech.report.players import played
from jaxspeech.report.utterance import ReplayedAudio
from jaxspeech.spacing import space_before
from jaxspeech.text.differences import differences

SHOWN = 20

# Of systems: name of a cost -> its value as a text.
Costs = Mapping[str, str]


def comparison_section(
    comparison: Comparison,
    costs: Mapping[str, Costs],
    *,
    name_of: Callable[[int], str],
    audio: Mapping[int, ReplayedAudio],
) -> str:
    """HTML about a comparison, escaped.

    Args:
      comparison: of the systems.
      costs: what is known of each beside its texts: speed, memory, size.
      name_of: the name of an utterance.
      audio: of the utterances that are shown and can be read.
    """
    shown = comparison.differing[:SHOWN]
    cards = "".join(_card(comparison, index, name_of(index), audio.get(index)) for index in shown)
    more = len(comparison.differing) - len(shown)
    note = f"<p class=note>and {more} more</p>" if more else ""
    equal = len(comparison.said) - len(comparison.differing)
    return (
        f"{_rates(comparison)}"
        f'<div class="curves">{interval_plot(comparison)}</div>{_costs(costs)}'
        f"<h3>Is it chance?</h3>{_pairs(comparison.pairs)}"
        f"<h3>Where they differ most</h3><p class=note>All systems give the same text for {equal} of "
        f"{len(comparison.said)} utterances. <del>Missing words</del> are those of the reference, "
        f'<ins>wrong words</ins> the system\'s own.</p><div class="cards">{cards}</div>{note}'
    )


def _rates(comparison: Comparison) -> str:
    """Error rates, the least word error rate in bold."""
    head = ["", "WER", f"{LEVEL:.0%} interval", "CER", "substituted", "deleted", "inserted"]
    best = min((system.errors.rate for system in comparison.systems.values()), default=0.0)
    rows = []
    for name, system in comparison.systems.items():
        cells = rate_cells(system)
        if system.errors.rate == best:
            cells[0] = f"<b>{cells[0]}</b>"
        rows.append([html.escape(name), *cells])
    return _rows(head, rows)


def _costs(costs: Mapping[str, Costs]) -> str:
    """What each system costs; "" if nothing is known."""
    names = list(dict.fromkeys(name for known in costs.values() for name in known))
    rows = [
        [html.escape(x) for x in (system, *(known.get(name, "–") for name in names))] for system, known in costs.items()
    ]
    return f"<h3>What they cost</h3>{_rows(['', *map(html.escape, names)], rows)}" if names else ""


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells of HTML."""
    titles = "".join(f"<th>{title}</th>" for title in head)
    body = "".join(f"<tr><th>{name}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, *cells in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def rate_cells(system: SystemScores) -> list[str]:
    """WER, its interval, CER, and the numbers of edits, as texts."""
    errors, bounds = system.errors, system.interval
    interval = "–" if bounds is None else f"{bounds.low:.2%} to {bounds.high:.2%}"
    edits = [str(count) for count in (errors.substitutions, errors.deletions, errors.insertions)]
    return [f"{errors.rate:.2%}", interval, f"{system.characters.rate:.2%}", *edits]


def _pairs(pairs: Sequence[Pair]) -> str:
    rows = []
    for pair in pairs:
        bounds = "–" if pair.interval is None else f"{100 * pair.interval.low:+.2f} to {100 * pair.interval.high:+.2f}"
        rows.append(
            [
                f"{html.escape(pair.one)} <span class=note>and</span> {html.escape(pair.other)}",
                f"{100 * pair.difference:+.2f}",
                bounds,
                f"{pair.test.differing} of {pair.test.segments}",
                html.escape(p_value(pair.test.p)),
                html.escape(verdict(pair)),
            ]
        )
    head = ("", "difference (points)", f"{LEVEL:.0%} interval", "segments that differ", "p", "verdict")
    return (
        f"{_rows(head, rows)}<p class=note>WER of the second less that of the first. The interval is by paired "
        "bootstrap over utterances; p is by the matched-pair test of Gillick and Cox (MAPSSWE).</p>"
    )


def verdict(pair: Pair) -> str:
    """What the test says, in words."""
    if not pair.significant:
        return "no difference" if not pair.test.differing else "may be chance"
    return f"{pair.other if pair.test.z > 0 else pair.one} is better"


def p_value(p: float) -> str:
    """A probability with two digits that matter."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def _card(comparison: Comparison, index: int, name: str, audio: ReplayedAudio | None) -> str:
    said = comparison.said[index]
    rows = [("said", html.escape(said) or "<i>nothing</i>")]
    for system, scores in comparison.systems.items():
        count = scores.words[index].errors
        mark = f" · {count}" if count else ""
        rows.append((html.escape(system) + mark, _marked(said, scores.heard[index])))
    cells = "".join(f"<dt>{title}</dt><dd>{text}</dd>" for title, text in rows)
    seen = "" if audio is None else played(audio)
    return f"<article><header><b>{html.escape(name)}</b></header>{seen}<dl>{cells}</dl></article>"


def _marked(said: str, heard: str) -> str:
    """A transcript with its differences to the reference: missing words, and those that were not said."""
    text = ""
    for part in differences(said, heard):
        missing, found = html.escape(part.said), html.escape(part.heard)
        if part.kind == "equal":
            text += space_before(part.heard) + found
            continue
        text += f"{space_before(part.said)}<del>{missing}</del>" if missing else ""
        text += f"{space_before(part.heard)}<ins>{found}</ins>" if found else ""
    return text.strip() or "<i>nothing</i>"
