"""Formats word and character error rates, and other scores of transcripts and translations, as lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxspeech.cli.recordings import counted
from jaxspeech.evaluation.bleu import bleu
from jaxspeech.evaluation.bootstrap import LEVEL
from jaxspeech.evaluation.chrf import chrf
from jaxspeech.evaluation.end_of_utterance import PERCENTILES, EndCounts
from jaxspeech.evaluation.punctuation import MarkCounts, total
from jaxspeech.evaluation.transcripts import TranscriptScores, finite
from jaxspeech.text.error_rate import char_errors, word_errors


def error_rates(references: Sequence[str], found: Sequence[str]) -> str:
    """WER and CER over all references together."""
    words, characters = word_errors(references, found), char_errors(references, found)
    if not words.length:
        many = counted(words.errors, "word")
        return f"no WER: none of {counted(len(references), 'reference')} has a word, {many} recognised"
    return (
        f"WER {words.rate:.2%} ({counted(words.errors, 'error')} in {counted(words.length, 'word')} of "
        f"{counted(len(references), 'reference')}), CER {characters.rate:.2%}"
    )


def end_scores(counts: EndCounts) -> str:
    """Latency, early cut-offs and missed ends of utterances."""
    scores = counts.scores()
    late = (
        ", ".join(f"p{p} {scores[f'eou_latency_p{p}']:.2f} s" for p in PERCENTILES) if counts.latency else "none found"
    )
    return (
        f"ends of {counted(counts.utterances, 'utterance')}: latency {late}; early cut-offs "
        f"{scores['eou_early_cutoff']:.1%}, missed {scores['eou_missing']:.1%}"
    )


def bleu_score(references: Sequence[str], found: Sequence[str]) -> tuple[str, dict[str, float]]:
    """BLEU and chrF over all references together, as a text and by name."""
    values = {"bleu": bleu(references, found), "chrf": chrf(references, found)}
    text = f"BLEU {values['bleu']:.1f}, chrF {values['chrf']:.1f} ({counted(len(references), 'translation')})"
    return text, values


def rates_of_languages(languages: Sequence[str], references: Sequence[str], found: Sequence[str]) -> dict[str, Any]:
    """WER and CER of each language of a set by name; none unless there are several.

    Args:
      languages: of each reference, "" where it is not known.
      references, found: the transcripts.
    """
    rates: dict[str, Any] = {}
    for language in sorted({*languages} - {""}) if len({*languages}) > 1 else []:
        pairs = [(r, f) for one, r, f in zip(languages, references, found, strict=True) if one == language]
        said, heard = map(list, zip(*pairs, strict=True))
        words, characters = word_errors(said, heard), char_errors(said, heard)
        rates[language] = {
            "references": len(said),
            "words": words.length,
            "wer": finite(words.rate),
            "cer": finite(characters.rate),
        }
    return rates


def shown_rates(rates: Mapping[str, Any]) -> str:
    """The word error rates of languages as a text."""
    shown = {name: found["wer"] for name, found in rates.items()}
    return ", ".join(f"{name} {'-' if wer is None else f'{wer:.2%}'}" for name, wer in shown.items())


def details(scores: TranscriptScores) -> list[str]:
    """Further lines about a set of transcripts."""
    words, lines = scores.word_errors, []
    if words.length:
        edits = f"{words.substitutions} substituted, {words.deletions} deleted, {words.insertions} inserted"
        low, high = scores.interval or (float("nan"),) * 2
        lines.append(f"{edits}; {LEVEL:.0%} interval of the WER {low:.2%} to {high:.2%} (bootstrap by utterance)")
    if scores.normalizer.name != "none":
        by = f" ({scores.normalizer.package})" if scores.normalizer.package else ""
        lines.append(f"normalised by {scores.normalizer.name}{by}")
    if scores.bleu is not None:
        lines.append(f"BLEU {scores.bleu:.1f}, chrF {scores.chrf:.1f}")
    if scores.punctuation:
        lines.append(_marks("punctuation", total(scores.punctuation), "mark"))
    if scores.capitalization is not None:
        lines.append(_marks("capitalisation", scores.capitalization, "capital"))
    if sure := scores.confidence:
        shown = {
            "NCE": sure.nce,
            "AUC-ROC": sure.auc_roc,
            "AUC-PR": sure.auc_pr,
            "AUC-NT": sure.auc_nt,
            "ECE": sure.ece,
        }
        known = ", ".join(f"{name} {value:.3f}" for name, value in shown.items() if value is not None)
        lines.append(f"confidences of {counted(sure.words, 'word')}: {known}")
    return lines


def _marks(name: str, counts: MarkCounts, noun: str) -> str:
    return (
        f"{name} error rate {counts.rate:.2%} ({counted(counts.substitutions, f'other {noun}')}, "
        f"{counts.deletions} missing, {counts.insertions} too many, {counts.correct} right)"
    )
