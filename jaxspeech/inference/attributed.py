"""Gives the words of transcripts their speakers: who said what.

rows -> transcripts with times; the same recordings -> a diarizer -> turns; both -> words, segments and turns with names

Who spoke when is found in whole recordings, however they are transcribed; for a part of a file, in the whole file, so
that a speaker has one name in all parts.
"""

import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jaxspeech.diarization.attribution import Activity, word_speakers
from jaxspeech.diarization.turns import Turn
from jaxspeech.errors import AudioError, SpeechError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.options import Wanted
from jaxspeech.inference.rows import Row
from jaxspeech.search.timestamps import TimedText, merge

T = TypeVar("T")
# Recordings, arrays at the recogniser's rate or files -> who spoke when in each, in order; see `Diarized`.
Diarize = Callable[[list[Recording]], Iterable[Any]]
# Recordings that are diarized together have no more audio than this, in seconds, unless there is only one.
BATCH_SECONDS = 600.0
# What diarizers call speakers whom they do not know.
ANONYMOUS = re.compile(r"speaker_?\d+")
# So many files of which parts are transcribed are kept.
KEPT_FILES = 64


def kept(rows: Iterable[T], taken: "deque[T]") -> Iterator[T]:
    """Yields rows, and appends each to `taken`."""
    for row in rows:
        taken.append(row)
        yield row


def attributed(
    hypotheses: Iterable[Hypothesis], rows: "deque[Row[Any]]", diarize: Diarize, wanted: Wanted, *, sample_rate: int
) -> Iterator[Hypothesis]:
    """Yields the hypotheses with the speakers of their words, their segments, and the turns.

    Args:
      hypotheses: with words; one for each row, made after the row was appended to `rows`.
      rows: from which they are made, in order; they are removed.
      diarize: finds who spoke when.
      wanted: batch_size and on_error.
      sample_rate: of the rows' samples, in Hz.

    Raises:
      SpeechError: raised by `hypotheses`, or with on_error="raise" because speakers cannot be found.
    """
    files = DiarizedFiles(diarize, channel=wanted.channel if isinstance(wanted.channel, int) else None)
    batch: list[tuple[Row[Any], Hypothesis]] = []
    seconds, waiting, failed = 0.0, iter(hypotheses), None
    while True:
        try:
            hypothesis = next(waiting, None)
        except SpeechError as error:
            hypothesis, failed = None, error
        if hypothesis is not None:
            row = rows.popleft()
            batch.append((row, hypothesis))
            seconds += len(row.samples) / sample_rate
        if hypothesis is None or len(batch) == wanted.batch_size or seconds >= BATCH_SECONDS:
            yield from _spoken(batch, diarize, files, wanted)
            batch, seconds = [], 0.0
        if failed is not None:
            raise failed
        if hypothesis is None:
            return


def _spoken(
    batch: Sequence[tuple[Row[Any], Hypothesis]], diarize: Diarize, files: "DiarizedFiles", wanted: Wanted
) -> Iterator[Hypothesis]:
    """Yields the hypotheses of a batch with their speakers."""
    asked = [place for place, (row, said) in enumerate(batch) if said.error is None and len(row.samples)]
    whole = [place for place in asked if not is_part(batch[place][0].recording)]
    given = [Recording(batch[i][0].recording.source, batch[i][0].samples) for i in whole]
    found: dict[int, tuple[Any, float]] = {
        place: (one, batch[place][0].recording.offset)  # of samples it is only added to the times
        for place, one in zip(whole, diarize(given) if given else (), strict=True)
    }
    found |= {place: (files.find(batch[place][0].recording), 0.0) for place in asked if place not in found}
    for place, (row, hypothesis) in enumerate(batch):
        one, offset = found.get(place, (None, 0.0))
        if one is None:
            yield hypothesis if hypothesis.error is not None else with_speakers(hypothesis, ())
        elif one.error is not None:
            if wanted.on_error == "raise":
                raise AudioError(one.error)
            note = "; ".join(filter(None, (hypothesis.note, f"without speakers ({one.error})")))
            yield hypothesis._replace(note=note)
        else:
            first = row.recording.offset
            one = named_by_channel(one, hypothesis.channel)
            turns = turns_within(one.turns, first - offset, first - offset + hypothesis.duration, shift=offset)
            said = with_speakers(hypothesis, turns, activity_of(one, start=offset))
            yield said._replace(note="; ".join(filter(None, (said.note, one.note))) or None)


def with_speakers(hypothesis: Hypothesis, turns: Sequence[Turn], activity: Activity | None = None) -> Hypothesis:
    """Returns a hypothesis with the speakers of its words and segments.

    Args:
      hypothesis: with words.
      turns: of the speakers; their times count from where those of the words do.
      activity: from which the turns were made, if there is one.
    """
    words, ordered = hypothesis.words or (), tuple(sorted(turns))
    times = np.array([(word.start, word.end) for word in words], np.float64).reshape(-1, 2)
    names = word_speakers(times, ordered, activity)
    spoken = tuple(word._replace(speaker=name) for word, name in zip(words, names, strict=True))
    return hypothesis._replace(words=spoken, segments=divided(spoken, hypothesis.segments or ()), turns=ordered)


def divided(words: Sequence[TimedText], segments: Sequence[TimedText]) -> tuple[TimedText, ...]:
    """The segments of words, divided where the speaker changes.

    Args:
      words: with their speakers, in order.
      segments: of the same words; a segment ends with a word that has its end.
    """
    found: list[list[TimedText]] = []
    ends, number = [segment.end for segment in segments], 0
    begins = True
    for place, word in enumerate(words):
        if begins or word.speaker != words[place - 1].speaker:
            found.append([])
        found[-1].append(word)
        # Words without a length can share the end of a segment with its last word; after that a new one begins.
        following = words[place + 1].start if place + 1 < len(words) else np.inf
        starts = segments[number + 1].start if number + 1 < len(segments) else np.inf
        begins = number < len(ends) and word.end == ends[number] and following >= starts
        number += begins
    return tuple(merge(part)._replace(speaker=part[0].speaker) for part in found)


def activity_of(found: Any, *, start: float) -> Activity | None:
    """The probabilities of a diarizer's result, whose first frame is at `start` seconds; None if it has none."""
    probabilities = getattr(found, "activity", None)
    if probabilities is None or not len(probabilities):
        return None
    return Activity(np.asarray(probabilities), tuple(found.speakers), found.frame_seconds, start)


def renamed(found: Any, names: Mapping[str, str]) -> Any:
    """A diarizer's result with other names for the speakers that are in `names`."""
    turns = [turn._replace(speaker=names.get(turn.speaker, turn.speaker)) for turn in found.turns]
    columns = getattr(found, "speakers", None)
    rest = {} if columns is None else {"speakers": tuple(names.get(name, name) for name in columns)}
    return found._replace(turns=turns, **rest)


def named_by_channel(found: Any, channel: int | None) -> Any:
    """The result for one channel of several, whose anonymous speakers are not those of other channels."""
    if channel is None:
        return found
    known = {turn.speaker for turn in found.turns} | set(getattr(found, "speakers", None) or ())
    return renamed(found, {name: f"channel_{channel}_{name}" for name in known if ANONYMOUS.fullmatch(name)})


def turns_within(turns: Sequence[Turn], start: float, end: float, *, shift: float) -> list[Turn]:
    """The turns between two times, cut at both, and then shifted."""
    inside = (Turn(max(turn.start, start), min(turn.end, end), turn.speaker) for turn in turns)
    return [Turn(first + shift, last + shift, speaker) for first, last, speaker in inside if first < last]


def is_part(recording: Recording) -> bool:
    """Whether a recording is a part of a file that can be read again."""
    part = recording.offset > 0 or recording.duration is not None
    return part and isinstance(recording.audio, Path) and recording.audio.is_file()


class DiarizedFiles:
    """Finds who spoke when in files of which parts are transcribed; the last ones are kept."""

    def __init__(self, diarize: Diarize, *, channel: int | None):
        self._diarize, self._channel = diarize, channel
        self._found: OrderedDict[tuple[str, int | None], Any] = OrderedDict()

    def find(self, recording: Recording) -> Any:
        """Finds who spoke when in the whole file of a recording."""
        channel = self._channel if recording.channel is None else recording.channel
        key = (str(recording.audio), channel)
        if key not in self._found:
            whole = Recording(recording.source, recording.audio, channel=channel)
            [self._found[key]] = self._diarize([whole])
        self._found.move_to_end(key)
        while len(self._found) > KEPT_FILES:
            self._found.popitem(last=False)
        return self._found[key]
