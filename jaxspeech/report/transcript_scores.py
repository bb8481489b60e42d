"""Shows the scores of a set of transcripts in HTML: rates with their intervals, marks, capitals, and confidences."""

import html
from collections.abc import Mapping

from jaxspeech.evaluation.bootstrap import LEVEL
from jaxspeech.evaluation.punctuation import MarkCounts, total
from jaxspeech.evaluation.transcripts import TranscriptScores
from jaxspeech.report.reliability import reliability_plot


def scores_section(scores: TranscriptScores) -> str:
    """HTML about the scores, escaped."""
    facts = _facts(scores)
    cells = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in facts)
    marks = f"<h3>Punctuation</h3>{_marks(scores.punctuation)}" if scores.punctuation else ""
    sure = f"<h3>Confidences</h3>{reliability_plot(scores.confidence, scores.bins)}" if scores.confidence else ""
    return f'<dl class="facts">{cells}</dl>{marks}{sure}<h3>Errors</h3>'


def _facts(scores: TranscriptScores) -> list[tuple[str, str]]:
    words, characters = scores.word_errors, scores.char_errors
    facts = [("word error rate", f"{words.rate:.2%}"), ("character error rate", f"{characters.rate:.2%}")]
    if scores.interval is not None:
        facts.insert(1, (f"{LEVEL:.0%} interval", f"{scores.interval.low:.2%} to {scores.interval.high:.2%}"))
    if scores.bleu is not None:
        facts += [("BLEU", f"{scores.bleu:.1f}"), ("chrF", f"{scores.chrf:.1f}")]
    if scores.punctuation:
        facts.append(("punctuation error rate", f"{total(scores.punctuation).rate:.2%}"))
    if scores.capitalization is not None:
        facts.append(("capitalisation error rate", f"{scores.capitalization.rate:.2%}"))
    package = f", {scores.normalizer.package}" if scores.normalizer.package else ""
    return [*facts, ("normalisation", scores.normalizer.name + package)]


def _marks(counts: Mapping[str, MarkCounts]) -> str:
    rows = [(mark, row) for mark, row in counts.items()] + [("all", total(counts))]
    body = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{row.correct}</td><td>{row.substitutions}</td><td>{row.deletions}</td>"
        f"<td>{row.insertions}</td><td>{'–' if row.rate is None else f'{row.rate:.1%}'}</td></tr>"
        for name, row in rows
    )
    names = ("mark", "right", "another mark", "missing", "too many", "error rate")
    head = "".join(f"<th>{name}</th>" for name in names)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
