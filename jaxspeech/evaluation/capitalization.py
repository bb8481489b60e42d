"""Capitalisation error rate, of the words that are right but for their capitals.

    CapER = (other capitals + missing + too many) / (right + other capitals + missing + too many)

counted in words with a capital on either side, after an alignment that ignores case and punctuation.
"""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from jaxspeech.evaluation.punctuation import MarkCounts
from jaxspeech.text.canonical import comparable
from jaxspeech.text.normalize import normalize


def capitalization_errors(references: Sequence[str], found: Sequence[str]) -> MarkCounts:
    """Counts words with right, other, missing and superfluous capitals: "NASA" as "Nasa", "nasa", "nasa" as "NASA".

    Args:
      references: texts with capitals.
      found: what is scored.
    """
    counts = [0, 0, 0, 0]
    for reference, text in zip(references, found, strict=True):
        said, heard = (normalize(comparable(side), lowercase=False).split() for side in (reference, text))
        for code in Levenshtein.opcodes([x.casefold() for x in said], [x.casefold() for x in heard]):
            if code.tag != "equal":
                continue
            for one, other in zip(
                said[code.src_start : code.src_end], heard[code.dest_start : code.dest_end], strict=True
            ):
                capital = one != one.lower(), other != other.lower()
                if any(capital):
                    counts[0 if one == other else 1 if all(capital) else 2 if capital[0] else 3] += 1
    return MarkCounts(*counts)
