"""Formats who said what: lines with names, segment-wise transcripts (SegLST), turns (RTTM)."""

from collections.abc import Sequence
from itertools import groupby

from jaxspeech.diarization.rttm import as_rttm
from jaxspeech.diarization.seglst import to_object
from jaxspeech.diarization.turns import Turn, Utterance
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.search.timestamps import TimedText
from jaxspeech.spacing import join

# Who says a word that is near nobody's turn, in formats in which each word has a speaker; as in NIST's.
UNKNOWN = "unknown"


def label(speaker: str | None) -> str:
    """What stands before a speaker's words: "ann:", or "" if nobody is known to say them."""
    return "" if speaker is None else f"{' '.join(speaker.split())}:"


def spoken_lines(words: Sequence[TimedText]) -> list[str]:
    """The words as lines, a line for each speaker's: "ann: good morning"."""
    groups = (list(group) for _, group in groupby(words, key=lambda word: word.speaker))
    return [" ".join(filter(None, (label(part[0].speaker), join(word.text for word in part)))) for part in groups]


def known_text(words: Sequence[TimedText]) -> str:
    """The lines of `spoken_lines`, of live words up to the last one whose speaker is known."""
    known = max((place for place, word in enumerate(words, 1) if word.speaker is not None), default=0)
    return "\n".join(spoken_lines(words[:known]))


def to_seglst(hypotheses: Sequence[Hypothesis], *, session: str) -> list[str]:
    """The segments of a recording, of all its channels, as JSON objects in order of time."""
    spoken = [
        Utterance(segment.start, segment.end, segment.speaker or UNKNOWN, segment.text)
        for hypothesis in hypotheses
        for segment in hypothesis.segments or ()
    ]
    return [to_object(session, one) for one in sorted(spoken, key=lambda one: one.start)]


def to_rttm(hypotheses: Sequence[Hypothesis], *, recording: str) -> str:
    """The turns of a recording, of all its channels, in order of time; those of one speaker that touch are one."""
    return as_rttm(recording, joined_turns([turn for one in hypotheses for turn in one.turns or ()]))


def joined_turns(turns: Sequence[Turn]) -> list[Turn]:
    """The turns in order of time; those of one speaker that overlap or touch are one."""
    found: list[Turn] = []
    last: dict[str, int] = {}
    for start, end, speaker in sorted(turns):
        place = last.get(speaker)
        if place is not None and start <= found[place].end + 1e-6:
            found[place] = found[place]._replace(end=max(found[place].end, end))
        else:
            last[speaker] = len(found)
            found.append(Turn(start, end, speaker))
    return found
