"""Sets timed words as subtitles, by the rules of broadcasters.

A subtitle has at most two lines of 42 characters, is shown for 5/6 s to 7 s, and ends two video frames before the next
one. It begins with its first word, and stays after its last one until there was time to read it. If possible it ends
with a sentence, a clause or a pause; two lines are of similar length, preferably with the lower one longer.

Sources: Netflix, "Timed Text Style Guide: General Requirements" and "English (USA)"; BBC Subtitle Guidelines 1.2.
Dynamic programming over the words finds the cheapest division, as in Knuth and Plass, "Breaking Paragraphs into Lines"
(1981).
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from jaxspeech.search.timestamps import CLOSING, TimedText

LINE_CHARACTERS = 42
SHORTEST_SECONDS, LONGEST_SECONDS = 5 / 6, 7.0
# The gap between two subtitles: two video frames at 25/s. A gap of less than half a second is reduced to it.
GAP_SECONDS, CHAINED_SECONDS = 0.08, 0.5
READING_SPEED = 17.0  # characters per second; a viewer reads 160 to 180 words in a minute
# A pause that counts as the end of a clause, and one after which a new subtitle begins.
CLAUSE_PAUSE_SECONDS, PAUSE_SECONDS = 0.35, 1.0
SENTENCE_END = (".", "?", "!", "…", "。", "？", "！")
CLAUSE_END = (",", ";", ":", "—", "–", "、", "，", "；", "：")

# Costs of a division; the unit is the cost of one more subtitle.
BREAK_AT_CLAUSE, BREAK_ANYWHERE = 0.5, 2.5
SENTENCE_INSIDE, CLAUSE_PAUSE_INSIDE, PAUSE_INSIDE = 2.0, 0.3, 6.0
TOO_SHORT, TOO_FAST, UNEVEN = 5.0, 2.0, 0.5


class Cue(NamedTuple):
    """A subtitle: the words of its lines, and when it appears and disappears, in seconds."""

    lines: tuple[tuple[TimedText, ...], ...]
    start: float
    end: float

    @property
    def text(self) -> str:
        """Its lines, separated by a line feed."""
        return "\n".join(" ".join(word.text for word in line) for line in self.lines)


def to_cues(words: Sequence[TimedText], segments: Sequence[TimedText] = ()) -> list[Cue]:
    """Divides words into subtitles; every word is in exactly one.

    Args:
      words: in order of time.
      segments: their ends count as ends of sentences.
    """
    segment_ends = {segment.end for segment in segments}
    groups = _divide(words, [_break_cost(words, i, segment_ends) for i in range(len(words))])
    starts = [*(group[0].start for group in groups), float("inf")]
    cues: list[Cue] = []
    for group, next_start in zip(groups, starts[1:], strict=True):
        # If two subtitles' first words begin at the same time, the subtitles are shown one after the other.
        start = max(group[0].start, cues[-1].end if cues else 0.0)
        cues.append(Cue(_lines(group), start, max(_end(group, start, next_start), start + 0.001)))
    return cues


def _end(group: Sequence[TimedText], start: float, next_start: float) -> float:
    """When a subtitle ends: with its last word, or later if reading takes longer and nothing follows."""
    reading = max(SHORTEST_SECONDS, _size(group) / READING_SPEED)
    end = min(max(group[-1].end, start + reading), start + LONGEST_SECONDS)
    latest = next_start - GAP_SECONDS
    if end > latest or (next_start - end < CHAINED_SECONDS and latest - start <= LONGEST_SECONDS):
        return latest
    return end


def _break_cost(words: Sequence[TimedText], i: int, segment_ends: set[float]) -> float:
    """The cost of beginning a new subtitle after word i: 0 after a sentence or a pause."""
    text = words[i].text.rstrip(CLOSING)
    pause = words[i + 1].start - words[i].end if i + 1 < len(words) else PAUSE_SECONDS
    if text.endswith(SENTENCE_END) or words[i].end in segment_ends or pause >= PAUSE_SECONDS:
        return 0.0
    return BREAK_AT_CLAUSE if text.endswith(CLAUSE_END) or pause >= CLAUSE_PAUSE_SECONDS else BREAK_ANYWHERE


def _divide(words: Sequence[TimedText], break_costs: Sequence[float]) -> list[Sequence[TimedText]]:
    """The cheapest division into groups that fit in one subtitle; a single word always fits."""
    sums = [0, *accumulate(len(word.text) + 1 for word in words)]  # characters, with a space after each word
    line_ends = [bisect_right(sums, start + LINE_CHARACTERS + 1) - 1 for start in sums]  # after a full line's last word

    def fits(begin: int, end: int) -> bool:
        lower = min(max(line_ends[begin], begin), end)
        in_two_lines = lower > begin and sums[end] - sums[lower] <= LINE_CHARACTERS + 1
        return in_two_lines and words[end - 1].end - words[begin].start <= LONGEST_SECONDS

    cheapest, first = [0.0], [0]  # for the words before i: the cost, and where their last group begins
    for end in range(1, len(words) + 1):
        following = words[end].start if end < len(words) else float("inf")
        best = float("inf"), end - 1
        inside = 0.0
        for begin in range(end - 1, -1, -1):
            if begin < end - 1:
                inside += _cost_inside(words[begin], words[begin + 1], break_costs[begin])
                if not fits(begin, end):
                    break
            alone = _cost(sums[end] - sums[begin] - 1, following - words[begin].start)
            best = min(best, (cheapest[begin] + 1 + inside + break_costs[end - 1] + alone, begin))
        cheapest.append(best[0])
        first.append(best[1])
    groups, end = [], len(words)
    while end:
        groups.append(words[first[end] : end])
        end = first[end]
    return groups[::-1]


def _cost_inside(word: TimedText, following: TimedText, break_cost: float) -> float:
    """The cost of two words sharing a subtitle across a pause or the end of a sentence."""
    pause = following.start - word.end
    if pause >= PAUSE_SECONDS:
        return PAUSE_INSIDE
    return SENTENCE_INSIDE if not break_cost else CLAUSE_PAUSE_INSIDE * (pause >= CLAUSE_PAUSE_SECONDS)


def _cost(size: int, room: float) -> float:
    """The cost of one subtitle: too short to see, too fast to read, or mostly empty.

    Args:
      size: its number of characters.
      room: seconds from its start to that of the next one.
    """
    available = max(min(room - GAP_SECONDS, LONGEST_SECONDS), 0.01)
    too_short = TOO_SHORT * max(1 - available / SHORTEST_SECONDS, 0)
    too_fast = TOO_FAST * min(max(size / READING_SPEED / available - 1, 0), 2)
    return too_short + too_fast + UNEVEN * max(1 - size / (2 * LINE_CHARACTERS), 0) ** 2


def _size(words: Sequence[TimedText]) -> int:
    """Number of characters, including the spaces between words."""
    return sum(len(word.text) + 1 for word in words) - 1


def _lines(group: Sequence[TimedText]) -> tuple[tuple[TimedText, ...], ...]:
    """One line, or the best two: of similar length, split after punctuation, preferably with the lower one longer."""
    if _size(group) <= LINE_CHARACTERS or len(group) == 1:
        return (tuple(group),)

    def badness(at: int) -> tuple[bool, int]:
        upper, lower = _size(group[:at]), _size(group[at:])
        text = group[at - 1].text.rstrip(CLOSING)
        bonus = 24 if text.endswith(SENTENCE_END) else 12 if text.endswith(CLAUSE_END) else 0
        return max(upper, lower) > LINE_CHARACTERS, abs(upper - lower) - bonus + (upper > lower)

    at = min(range(1, len(group)), key=badness)
    return tuple(group[:at]), tuple(group[at:])
