"""Puts what each speaker of a recording says into one hypothesis, in the order of time."""

from collections.abc import Mapping, Sequence

from jaxspeech.diarization.turns import Turn
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.search.timestamps import TimedText


def together(said: Mapping[str, Hypothesis], turns: Sequence[Turn], *, source: str, duration: float) -> Hypothesis:
    """Returns words and segments of all speakers with their names, sorted by time; the text is that of the segments.

    Tokens are those of one speaker after the other.

    Args:
      said: by the speakers' names, with words and segments.
      turns: of the speakers.
      source, duration: of the recording.
    """

    def spoken(field: str) -> tuple[TimedText, ...]:
        parts = [part._replace(speaker=name) for name, one in said.items() for part in getattr(one, field) or ()]
        return tuple(sorted(parts, key=lambda part: part.start))

    segments, tokens = spoken("segments"), sum((one.tokens for one in said.values()), ())
    sure = sum(one.confidence * len(one.tokens) for one in said.values())
    return Hypothesis(
        text=" ".join(segment.text for segment in segments),
        score=sum(one.score for one in said.values()),
        tokens=tokens,
        confidence=sure / max(len(tokens), 1),
        duration=duration,
        source=source,
        words=spoken("words"),
        segments=segments,
        chars=spoken("chars"),
        timing="frames",
        note=next((one.note for one in said.values() if one.note), None),
        turns=tuple(sorted(turns)),
    )
