"""The BLEU of translations (Papineni et al., 2002), as sacrebleu computes it (Post, 2018).

BLEU = 100 min(1, exp(1 - r / c)) (p_1 p_2 p_3 p_4)^(1/4)

with p_n the share of the n-grams found that are in the reference, r and c the words of references and translations,
all over a whole set. The texts are split into words as by the program mteval-v13a.
"""

import importlib.util
from collections.abc import Sequence

from jaxspeech.errors import ConfigError

MISSING = 'the BLEU of translations is computed by sacrebleu, which is not installed: pip install "jaxspeech[eval]"'


def check_bleu() -> None:
    """Checks that BLEU can be computed.

    Raises:
      ConfigError: sacrebleu is not installed.
    """
    if importlib.util.find_spec("sacrebleu") is None:
        raise ConfigError(MISSING)


def bleu(references: Sequence[str], translations: Sequence[str]) -> float:
    """Computes the BLEU of a set, from 0 to 100, with one reference for each translation.

    Raises:
      ConfigError: sacrebleu is not installed.
    """
    check_bleu()
    sacrebleu = importlib.import_module("sacrebleu")
    return sacrebleu.corpus_bleu(list(translations), [list(references)]).score
