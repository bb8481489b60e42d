r"""Writes subtitles whose words light up as they are spoken: Advanced SubStation Alpha (.ass) with karaoke tags.

`{\k50}word` lights a word up for half a second before the next one; `{\k20}` alone is a pause. Source: "Sub
Station Alpha v4.00+ Script Format", as libass reads it.
"""

from collections.abc import Sequence

from jaxspeech.inference.subtitles import Cue, to_cues
from jaxspeech.search.timestamps import TimedText
from jaxspeech.spacing import space_before

STYLE_FIELDS = (
    "Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, "
    "StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, "
    "Encoding"
)
# Grey until spoken, then white; black outline; at the bottom of the picture.
STYLE = "Default,Arial,60,&H00FFFFFF,&H00909090,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,60,60,50,1"
HEADER = f"""[Script Info]
ScriptType: v4.00+
WrapStyle: 2
ScaledBorderAndShadow: yes
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: {STYLE_FIELDS}
Style: {STYLE}

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
# These characters begin a command, and players disagree on how to escape them.
REPLACED = str.maketrans({"{": "(", "}": ")", "\\": "/", "\n": " "})


def to_ass(words: Sequence[TimedText], segments: Sequence[TimedText] = ()) -> str:
    """An ASS file of the subtitles that `to_cues` makes."""
    return cues_to_ass(to_cues(words, segments))


def cues_to_ass(cues: Sequence[Cue]) -> str:
    """An ASS file of subtitles."""
    return HEADER + "".join(map(_dialogue, cues))


def _dialogue(cue: Cue) -> str:
    # Times are rounded relative to the start of the subtitle, so that rounding errors do not add up.
    start, end = _centiseconds(cue.start), max(_centiseconds(cue.end), _centiseconds(cue.start) + 1)
    text, at = "", start
    for number, line in enumerate(cue.lines):
        text += r"\N" if number else ""
        for place, word in enumerate(line):
            begin = min(max(_centiseconds(word.start), at), end)
            stop = min(max(_centiseconds(word.end), begin), end)
            pause = rf"{{\k{begin - at}}}" if begin > at else ""
            space = space_before(word.text) if place else ""
            text += f"{space}{pause}{{\\k{stop - begin}}}{word.text.translate(REPLACED)}"
            at = stop
    name = (cue.speaker or "").translate(REPLACED).replace(",", " ")
    return f"Dialogue: 0,{_clock(start)},{_clock(end)},Default,{name},0,0,0,,{text}\n"


def _centiseconds(seconds: float) -> int:
    return round(seconds * 100)


def _clock(centiseconds: int) -> str:
    seconds, centiseconds = divmod(centiseconds, 100)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{centiseconds:02}"
