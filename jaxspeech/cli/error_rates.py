"""Formats word and character error rates, and the BLEU of translations, as a line."""

from collections.abc import Sequence

from jaxspeech.cli.recordings import counted
from jaxspeech.evaluation.bleu import bleu
from jaxspeech.text.error_rate import char_errors, word_errors


def error_rates(references: Sequence[str], found: Sequence[str]) -> str:
    """WER and CER over all references together."""
    words, characters = word_errors(references, found), char_errors(references, found)
    return (
        f"WER {words.rate:.2%} ({counted(words.errors, 'error')} in {counted(words.length, 'word')} of "
        f"{counted(len(references), 'reference')}), CER {characters.rate:.2%}"
    )


def bleu_score(references: Sequence[str], found: Sequence[str]) -> str:
    """BLEU over all references together."""
    return f"BLEU {bleu(references, found):.1f} ({counted(len(references), 'translation')})"
