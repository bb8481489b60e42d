"""The systems that are compared: their names, and what each has recognised."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jaxspeech.engines.run import EngineRun
from jaxspeech.inference.inputs import Recording


class Systems(NamedTuple):
    """What is compared.

    Attributes:
      recordings: with references.
      texts: of each system, for each recording.
      runs: of engines that were run now.
      seconds: of audio.
    """

    recordings: Sequence[Recording]
    texts: Mapping[str, Sequence[str]]
    runs: Mapping[str, EngineRun]
    seconds: float


def distinct(short: Sequence[str], long: Sequence[str]) -> list[str]:
    """A name for each system: the short one, the long one where several have that, and a number where that is taken."""
    counts, found = Counter(short), []
    for one, other in zip(short, long, strict=True):
        name = one if counts[one] == 1 else other
        found.append(name if name not in found else f"{name} {len(found) + 1}")
    return found
