"""chrF of translations (Popović, 2015), as sacrebleu computes it: an F-score of n-grams of characters.

chrF = (1 + b²) precision recall / (b² precision + recall), b = 2

with precision and recall of a whole set, without spaces, as means over n = 1 to 6.
"""

import importlib
from collections.abc import Sequence

from jaxspeech.evaluation.bleu import check_bleu


def chrf(references: Sequence[str], translations: Sequence[str]) -> float:
    """Computes the chrF of a set, from 0 to 100, with one reference for each translation.

    Raises:
      ConfigError: sacrebleu is not installed.
    """
    check_bleu()
    sacrebleu = importlib.import_module("sacrebleu")
    return sacrebleu.corpus_chrf(list(translations), [list(references)]).score
