"""Writes English as it is spoken: numbers, dates, money, measures, abbreviations and signs in words.

    "In 1807 Mr. Lee paid £1200 for No. 14, 5 km away."
    "In eighteen oh seven Mister Lee paid twelve hundred pounds for Number fourteen, five kilometers away."

The rules run from the particular to the general; what a rule wrote has no digits left, so that later ones leave it
alone. Whether four digits are a year or an amount depends on the words beside them. A text between bars, "|R EH1 D|",
stays as it is. The order and the forms follow the texts of LJ Speech (K. Ito, L. Johnson, 2017).
"""

import re

from jaxspeech.text.abbreviations import expand_abbreviations, expand_roman
from jaxspeech.text.spoken_amounts import spoken_measures, spoken_money
from jaxspeech.text.spoken_dates import spoken_dates
from jaxspeech.text.spoken_figures import spoken_figures, spoken_names, spoken_phones
from jaxspeech.text.spoken_signs import ordinary, spoken_addresses, spoken_signs

_KEPT = re.compile(r"(\|[^|]+\|)")
_RULES = (
    ordinary,
    spoken_addresses,
    expand_abbreviations,
    expand_roman,
    spoken_phones,
    spoken_money,
    spoken_dates,
    spoken_names,
    spoken_measures,
    spoken_figures,
    spoken_signs,
)


def spoken_form(text: str) -> str:
    """Returns an English text as it is spoken, without digits; its punctuation stays.

    Args:
      text: any text. Letters of other scripts and signs without a word stay as they are.

    Returns:
      The text with single spaces.
    """
    parts = [part if i % 2 or not part else _spoken(part) for i, part in enumerate(_KEPT.split(text))]
    return " ".join("".join(parts).split())


def _spoken(text: str) -> str:
    for rule in _RULES:
        text = rule(text)
    return text
