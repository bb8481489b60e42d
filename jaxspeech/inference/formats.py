"""Formats a transcript for other programs: JSON, SubRip and WebVTT subtitles, NIST's CTM.

Sources: SubRip as its players read it; WebVTT, W3C; CTM, the NIST Scoring Toolkit's infmts.htm, and for its speakers
the evaluation plan of NIST's Rich Transcription 2009.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxspeech.diarization.turns import one_word
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.rescoring import Alternative
from jaxspeech.inference.speaker_formats import UNKNOWN, spoken_lines
from jaxspeech.inference.subtitles import Cue, to_cues
from jaxspeech.runtime.unicode import to_json
from jaxspeech.search.timestamps import TimedText


def to_text(hypothesis: Hypothesis, *, named: bool) -> str:
    """The transcript as one line; with timestamps, one line a segment: start and end in seconds, then its text.

    Columns are separated by tabs; with `named` the first column is the recording's path. If each channel was
    transcribed, the next column is the channel's number. With speakers, a line begins with its speaker, "ann: ", or
    after the times it has a column with the speaker.
    """
    source = [hypothesis.source] if named else []
    source += [] if hypothesis.channel is None else [str(hypothesis.channel)]
    spoken = hypothesis.turns is not None
    if hypothesis.segments is None:
        lines = spoken_lines(hypothesis.words or ()) if spoken else []
        return "".join("\t".join([*source, line]) + "\n" for line in lines or [hypothesis.text])
    rows = (
        [*source, f"{s.start:.2f}", f"{s.end:.2f}", *([s.speaker or UNKNOWN] if spoken else []), s.text]
        for s in hypothesis.segments
    )
    return "".join("\t".join(row) + "\n" for row in rows)


def channels_to_text(channels: Sequence[Hypothesis], *, named: bool) -> str:
    """The lines of all channels of a recording, in order of time where there are times."""
    timed = [
        (segment.start, to_text(channel._replace(segments=(segment,)), named=named))
        for channel in channels
        for segment in channel.segments or ()
    ]
    if all(channel.segments is None for channel in channels):
        return "".join(to_text(channel, named=named) for channel in channels)
    return "".join(line for _, line in sorted(timed, key=lambda item: item[0]))


def to_jsonl(hypothesis: Hypothesis, fields: Mapping[str, Any]) -> str:
    """A line of JSON: `fields` and `pred_text`; with timestamps also `pred_words` and `pred_segments`, in seconds.

    If each channel was transcribed, also its number, `channel`; if the language was found, also `pred_source_lang`;
    words and segments have their `language` if the model's tokens have one.
    With the times of a model with an attention decoder, also what they are from, `pred_timing`. With speakers, words
    and segments have a `speaker`, and `pred_turns` says who spoke when. With alternatives, `pred_alternatives`. Of live
    audio with end-pointing, `pred_utterances`.
    """
    line = dict(fields) | ({} if hypothesis.channel is None else {"channel": hypothesis.channel})
    line["pred_text"], spoken = hypothesis.text, hypothesis.turns is not None
    if hypothesis.language is not None:
        line["pred_source_lang"] = hypothesis.language
    if hypothesis.words is not None:
        line["pred_words"] = [_span_to_json(word, spoken=spoken) for word in hypothesis.words]
    if hypothesis.segments is not None:
        line["pred_segments"] = [_span_to_json(segment, spoken=spoken) for segment in hypothesis.segments]
    if hypothesis.turns is not None:
        line["pred_turns"] = [
            {"start": round(start, 3), "end": round(end, 3), "speaker": name} for start, end, name in hypothesis.turns
        ]
    if hypothesis.utterances is not None:
        line["pred_utterances"] = [
            one._asdict() | {name: round(getattr(one, name), 3) for name in ("start", "end", "decided")}
            for one in hypothesis.utterances
        ]
    if hypothesis.timing not in (None, "frames"):
        line["pred_timing"] = hypothesis.timing
    if hypothesis.alternatives is not None:
        line["pred_alternatives"] = [_alternative_to_json(found) for found in hypothesis.alternatives]
    return to_json(line) + "\n"


def _alternative_to_json(found: Alternative) -> dict[str, Any]:
    scores = {"score": found.score} | ({} if found.lm is None else {"acoustic": found.acoustic, "lm": found.lm})
    return {"text": found.text} | {name: round(score, 4) for name, score in scores.items()}


def _span_to_json(span: TimedText, *, spoken: bool) -> dict[str, Any]:
    times = {"start": round(span.start, 3), "end": round(span.end, 3)}
    sure = {"confidence": round(span.confidence, 4)}
    language = {} if span.language is None else {"language": span.language}
    return {"text": span.text} | times | sure | ({"speaker": span.speaker} if spoken else {}) | language


def channel_cues(channels: Sequence[Hypothesis]) -> list[Cue]:
    """The subtitles of all channels of a recording in order of time; each begins with its channel's number, [0]."""
    cues: list[Cue] = []
    for channel in channels:
        for cue in to_cues(channel.words or (), channel.segments or ()):
            label = () if channel.channel is None else (TimedText(f"[{channel.channel}]", cue.start, cue.start, 1.0),)
            cues.append(cue._replace(lines=((*label, *cue.lines[0]), *cue.lines[1:])))
    return sorted(cues, key=lambda cue: cue.start)


def to_srt(words: Sequence[TimedText], segments: Sequence[TimedText] = ()) -> str:
    """A SubRip file of the subtitles that `to_cues` makes."""
    return cues_to_srt(to_cues(words, segments))


def to_vtt(words: Sequence[TimedText], segments: Sequence[TimedText] = ()) -> str:
    """A WebVTT file of the subtitles that `to_cues` makes."""
    return cues_to_vtt(to_cues(words, segments))


def cues_to_srt(cues: Sequence[Cue]) -> str:
    """A SubRip file of subtitles."""
    return "".join(f"{n}\n{_times(cue, decimal=',')}\n{cue.text}\n\n" for n, cue in enumerate(cues, 1))


def cues_to_vtt(cues: Sequence[Cue]) -> str:
    """A WebVTT file of subtitles."""
    blocks = (f"{_times(cue, decimal='.')}\n{_escape(cue.text)}\n\n" for cue in cues)
    return f"WEBVTT\n\n{''.join(blocks)}"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _times(cue: Cue, *, decimal: str) -> str:
    start = round(cue.start * 1000)
    end = max(round(cue.end * 1000), start + 1)  # a cue must not have zero length
    return f"{_clock(start, decimal)} --> {_clock(end, decimal)}"


def _clock(milliseconds: int, decimal: str) -> str:
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{decimal}{milliseconds:03}"


def to_ctm(words: Sequence[TimedText], *, name: str, channel: str = "1", speakers: bool = False) -> str:
    """CTM lines: name, channel, begin and duration in seconds, word, confidence; with speakers also type and speaker.

    Columns are separated by white space; white space within a column becomes "_".

    Args:
      words: in order of time.
      name: of the recording.
      channel: the name that the reference uses for it.
      speakers: write the two further columns of NIST's Rich Transcription evaluations: "lex", and who says the word.
    """

    def row(word: TimedText) -> str:
        text, seconds = "_".join(word.text.split()), f"{word.start:.3f} {word.end - word.start:.3f}"
        more = f" lex {one_word(word.speaker or UNKNOWN)}" if speakers else ""
        return f"{'_'.join(name.split())} {channel} {seconds} {text} {word.confidence:.4f}{more}\n"

    return "".join(map(row, words))
