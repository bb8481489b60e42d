"""Sets timed words as subtitles, by the rules of broadcasters.

A subtitle has at most two lines of 42 characters (16 if they are of full width: see `line_width`), is shown for 5/6 s
to 7 s, and ends two video frames before the next one. It begins with its first word, and stays after its last one until
there was time to read it. If possible it ends with a sentence, a clause or a pause; two lines are of similar length,
preferably with the lower one longer. Where words have speakers, a subtitle is one speaker's, and begins with the name.

Sources: Netflix, "Timed Text Style Guide: General Requirements" and "English (USA)"; BBC Subtitle Guidelines 1.2.
Dynamic programming over the words finds the cheapest division, as in Knuth and Plass, "Breaking Paragraphs into Lines"
(1981).
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from jaxspeech.inference.line_width import NO_LINE_BEGINS_WITH, Ruler, fit_words, label_columns
from jaxspeech.inference.speaker_formats import label
from jaxspeech.punctuation import ends_clause, ends_sentence, without_closing
from jaxspeech.search.timestamps import TimedText
from jaxspeech.spacing import Attached, join
from jaxspeech.text.words import is_unspaced

SHORTEST_SECONDS, LONGEST_SECONDS = 5 / 6, 7.0
# The gap between two subtitles: two video frames at 25/s. A gap of less than half a second is reduced to it.
GAP_SECONDS, CHAINED_SECONDS = 0.08, 0.5
READING_SPEED = 17.0  # columns per second; a viewer reads 160 to 180 words in a minute, or 500 full-width characters
# A pause that counts as the end of a clause, and one after which a new subtitle begins.
CLAUSE_PAUSE_SECONDS, PAUSE_SECONDS = 0.35, 1.0

# Costs of a division; the unit is the cost of one more subtitle.
BREAK_AT_CLAUSE, BREAK_AT_SPACE, BREAK_ANYWHERE = 0.5, 1.5, 2.5
BREAK_FORBIDDEN = 20.0  # a word divided, or a line that begins with a character which should not
SENTENCE_INSIDE, CLAUSE_PAUSE_INSIDE, PAUSE_INSIDE = 2.0, 0.3, 6.0
TOO_SHORT, TOO_FAST, UNEVEN = 5.0, 2.0, 0.5


class Cue(NamedTuple):
    """A subtitle: the words of its lines, when it appears and disappears, in seconds, and who speaks."""

    lines: tuple[tuple[TimedText, ...], ...]
    start: float
    end: float
    speaker: str | None = None

    @property
    def text(self) -> str:
        """Its lines, separated by a line feed."""
        return "\n".join(join(word.text for word in line) for line in self.lines)


def to_cues(words: Sequence[TimedText], segments: Sequence[TimedText] = ()) -> list[Cue]:
    """Divides words into subtitles; every word is in exactly one, or divided if it is wider than a line.

    Args:
      words: in order of time.
      segments: their ends count as ends of sentences.
    """
    segment_ends = {segment.end for segment in segments}
    words = fit_words(words)
    ruler = Ruler(words)
    groups = _divide(words, ruler, [_break_cost(words, i, segment_ends) for i in range(len(words))])
    starts = [*(words[begin].start for begin, _ in groups), float("inf")]
    cues: list[Cue] = []
    for (begin, end), next_start in zip(groups, starts[1:], strict=True):
        # If two subtitles' first words begin at the same time, the subtitles are shown one after the other.
        start = max(words[begin].start, cues[-1].end if cues else 0.0)
        at = _lower_line(words, ruler, begin, end)
        name = label(words[begin].speaker)
        first = [TimedText(name, start, start, 1.0), *words[begin:at]] if name else words[begin:at]
        lines = tuple(tuple(line) for line in (first, words[at:end]) if line)
        until = _end(words[end - 1].end, ruler.columns(begin, end), start, next_start)
        cues.append(Cue(lines, start, max(until, start + 0.001), words[begin].speaker))
    return cues


def _end(spoken: float, columns: int, start: float, next_start: float) -> float:
    """When a subtitle ends: with its last word, or later if reading takes longer and nothing follows."""
    reading = max(SHORTEST_SECONDS, columns / READING_SPEED)
    end = min(max(spoken, start + reading), start + LONGEST_SECONDS)
    latest = next_start - GAP_SECONDS
    if end > latest or (next_start - end < CHAINED_SECONDS and latest - start <= LONGEST_SECONDS):
        return latest
    return end


def _break_cost(words: Sequence[TimedText], i: int, segment_ends: set[float]) -> float:
    """The cost of beginning a new subtitle after word i: 0 after a sentence, a pause or a speaker."""
    text, following = words[i].text, words[i + 1] if i + 1 < len(words) else None
    pause = following.start - words[i].end if following else PAUSE_SECONDS
    changes = following is not None and following.speaker != words[i].speaker
    if changes or _ends_sentence(text) or words[i].end in segment_ends or pause >= PAUSE_SECONDS:
        return 0.0
    if following and _forbidden(following.text, text):
        return BREAK_FORBIDDEN
    if ends_clause(text) or pause >= CLAUSE_PAUSE_SECONDS:
        return BREAK_AT_CLAUSE
    # Scripts that need no spaces between words have them between phrases.
    phrase = following and not isinstance(following.text, Attached) and is_unspaced(text[-1])
    return BREAK_AT_SPACE if phrase else BREAK_ANYWHERE


def _ends_sentence(text: str) -> bool:
    return ends_sentence(text) or without_closing(text).endswith("…")


def _forbidden(text: str, before: str) -> bool:
    """Whether a line should not begin with this word after that one."""
    if not isinstance(text, Attached):
        return False
    return text[0] in NO_LINE_BEGINS_WITH or not (is_unspaced(text) or is_unspaced(before))


def _divide(words: Sequence[TimedText], ruler: Ruler, break_costs: Sequence[float]) -> list[tuple[int, int]]:
    """The cheapest division into groups that fit in one subtitle, each (first word, word after the last)."""
    reach = _two_lines(words, ruler)
    changes = (int(word.speaker != before.speaker) for before, word in pairwise(words))
    changed = list(accumulate(changes, initial=0))  # how often the speaker has, before each word

    def fits(begin: int, end: int) -> bool:
        alone = changed[begin] == changed[end - 1]
        return alone and end <= reach[begin] and words[end - 1].end - words[begin].start <= LONGEST_SECONDS

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
            columns = ruler.columns(begin, end)
            alone = _cost(columns, columns / (2 * ruler.limit(begin, end)), following - words[begin].start)
            best = min(best, (cheapest[begin] + 1 + inside + break_costs[end - 1] + alone, begin))
        cheapest.append(best[0])
        first.append(best[1])
    groups, end = [], len(words)
    while end:
        groups.append((first[end], end))
        end = first[end]
    return groups[::-1]


def _two_lines(words: Sequence[TimedText], ruler: Ruler) -> list[int]:
    """For each word, the word after the last one of the two longest lines that begin with it."""
    ends, at = [], 0  # of one line; a word wider than a line has none
    for begin in range(len(words)):
        at = max(at, begin)
        while at < len(words) and ruler.fits(begin, at + 1):
            at += 1
        ends.append(at)
    reach = []
    for begin, longest in enumerate(ends):
        before, end = label_columns(label(words[begin].speaker)), longest
        while before and end > begin and not ruler.fits(begin, end, before=before):
            end -= 1
        lower = end
        while begin + 1 < lower < len(words) and _forbidden(words[lower].text, words[lower - 1].text):
            lower -= 1
        lower = lower if lower > begin + 1 else end
        reach.append(ends[lower] if begin < lower < len(words) else end)
    return reach


def _cost_inside(word: TimedText, following: TimedText, break_cost: float) -> float:
    """The cost of two words sharing a subtitle across a pause or the end of a sentence."""
    pause = following.start - word.end
    if pause >= PAUSE_SECONDS:
        return PAUSE_INSIDE
    return SENTENCE_INSIDE if not break_cost else CLAUSE_PAUSE_INSIDE * (pause >= CLAUSE_PAUSE_SECONDS)


def _cost(columns: int, share: float, room: float) -> float:
    """The cost of one subtitle: too short to see, too fast to read, or mostly empty.

    Args:
      columns: its width, if it had one line.
      share: of that in two full lines.
      room: seconds from its start to that of the next one.
    """
    available = max(min(room - GAP_SECONDS, LONGEST_SECONDS), 0.01)
    too_short = TOO_SHORT * max(1 - available / SHORTEST_SECONDS, 0)
    too_fast = TOO_FAST * min(max(columns / READING_SPEED / available - 1, 0), 2)
    return too_short + too_fast + UNEVEN * max(1 - share, 0) ** 2


def _lower_line(words: Sequence[TimedText], ruler: Ruler, begin: int, end: int) -> int:
    """The first word of the lower line: `end` if there is one line, or where the two lines are best.

    They are of similar length, split after punctuation, and preferably the lower one is longer.
    """
    before = label_columns(label(words[begin].speaker))
    if ruler.fits(begin, end, before=before) or end - begin == 1:
        return end

    def badness(at: int) -> tuple[bool, bool, int]:
        upper, lower = before + ruler.columns(begin, at), ruler.columns(at, end)
        text = words[at - 1].text
        bonus = 24 if _ends_sentence(text) else 12 if ends_clause(text) else 0
        fit = ruler.fits(begin, at, before=before) and ruler.fits(at, end)
        return not fit, _forbidden(words[at].text, text), abs(upper - lower) - bonus + (upper > lower)

    return min(range(begin + 1, end), key=badness)
