"""A transcript as text for other programs: JSON, SubRip and WebVTT subtitles, NIST's CTM.

Sources: SubRip as its players read it; WebVTT, W3C; CTM, the NIST Scoring Toolkit's infmts.htm.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.search.timestamps import TimedText

# A subtitle fits in two lines of this many characters and stands for at most this long, as broadcasters advise.
LINE_CHARACTERS = 42
CUE_SECONDS = 7.0
# A silence after which a new subtitle begins.
PAUSE_SECONDS = 1.0
SENTENCE_END = (".", "?", "!", "。", "？", "！")


class Cue(NamedTuple):
    """A subtitle: what it says, and from when to when, in seconds."""

    text: str
    start: float
    end: float


def to_text(hypothesis: Hypothesis, *, named: bool) -> str:
    """The transcript as a line; with timestamps a line for each segment, after its start and end in seconds.

    Columns are parted by tabs; with `named` the first one is the recording's path.
    """
    source = [hypothesis.source] if named else []
    if hypothesis.segments is None:
        return "\t".join([*source, hypothesis.text]) + "\n"
    rows = ([*source, f"{s.start:.2f}", f"{s.end:.2f}", s.text] for s in hypothesis.segments)
    return "".join("\t".join(row) + "\n" for row in rows)


def to_jsonl(hypothesis: Hypothesis, fields: Mapping[str, Any]) -> str:
    """A line of JSON: `fields` and `pred_text`; with timestamps also `pred_words` and `pred_segments`, in seconds."""
    line = dict(fields) | {"pred_text": hypothesis.text}
    if hypothesis.words is not None:
        line["pred_words"] = [_span_to_json(word) for word in hypothesis.words]
    if hypothesis.segments is not None:
        line["pred_segments"] = [_span_to_json(segment) for segment in hypothesis.segments]
    return json.dumps(line, ensure_ascii=False) + "\n"


def _span_to_json(span: TimedText) -> dict[str, Any]:
    times = {"start": round(span.start, 3), "end": round(span.end, 3)}
    return {"text": span.text} | times | {"confidence": round(span.confidence, 4)}


def to_cues(words: Sequence[TimedText]) -> list[Cue]:
    """Subtitles: words until a sentence ends, a pause follows, or the subtitle is full."""
    groups: list[list[TimedText]] = []
    for word in words:
        group = groups[-1] if groups else []
        size = sum(len(w.text) + 1 for w in group) + len(word.text)
        if (
            not group
            or group[-1].text.endswith(SENTENCE_END)
            or word.start - group[-1].end > PAUSE_SECONDS
            or word.end - group[0].start > CUE_SECONDS
            # A line may stay a few characters short where a word does not fit.
            or len(_wrap([*(w.text for w in group), word.text])) > 2
            or size > 2 * LINE_CHARACTERS
        ):
            groups.append([])
        groups[-1].append(word)
    return [Cue("\n".join(_wrap([w.text for w in group])), group[0].start, group[-1].end) for group in groups]


def _wrap(words: list[str]) -> list[str]:
    return textwrap.wrap(" ".join(words), LINE_CHARACTERS, break_long_words=False, break_on_hyphens=False)


def to_srt(words: Sequence[TimedText]) -> str:
    """A SubRip file."""
    cues = enumerate(to_cues(words), 1)
    return "".join(f"{n}\n{_times(cue, decimal=',')}\n{cue.text}\n\n" for n, cue in cues)


def to_vtt(words: Sequence[TimedText]) -> str:
    """A WebVTT file."""
    cues = "".join(f"{_times(cue, decimal='.')}\n{_escape(cue.text)}\n\n" for cue in to_cues(words))
    return f"WEBVTT\n\n{cues}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _times(cue: Cue, *, decimal: str) -> str:
    start = round(cue.start * 1000)
    end = max(round(cue.end * 1000), start + 1)  # a cue must not end when it begins
    return f"{_clock(start, decimal)} --> {_clock(end, decimal)}"


def _clock(milliseconds: int, decimal: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal}{milliseconds:03}"


def to_ctm(words: Sequence[TimedText], *, name: str, channel: str = "1") -> str:
    """CTM lines: name, channel, begin and duration in seconds, word, confidence.

    Args:
      words: in the order of time.
      name: of the recording; its white space becomes "_", as the columns are parted by white space.
      channel: as the reference names it.
    """
    name = "_".join(name.split())
    return "".join(f"{name} {channel} {w.start:.3f} {w.end - w.start:.3f} {w.text} {w.confidence:.4f}\n" for w in words)
