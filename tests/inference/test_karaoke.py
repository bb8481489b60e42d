"""ASS files: sections, times and karaoke tags add up."""

import re

from jaxspeech.inference.karaoke import to_ass
from jaxspeech.inference.subtitles import to_cues
from jaxspeech.search.timestamps import TimedText
from tests.inference.test_subtitles import said


def seconds(clock: str) -> float:
    hours, minutes, rest = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


def test_words_light_up_when_they_are_said() -> None:
    words = said("it was a bright cold day in april, and the clocks were striking thirteen. " * 3, start=3598.0)
    content = to_ass(words)
    sections = re.findall(r"^\[(.+)\]$", content, re.MULTILINE)
    assert sections == ["Script Info", "V4+ Styles", "Events"] and "ScriptType: v4.00+\n" in content
    for kind, of in (("Style", 0), ("Dialogue", 1)):
        fields = re.findall(r"^Format: (.*)$", content, re.MULTILINE)[of].split(", ")
        for line in re.findall(rf"^{kind}: (.*)$", content, re.MULTILINE):
            assert len(line.split(",", len(fields) - 1)) == len(fields)

    lit = []
    rows = [line.removeprefix("Dialogue: ").split(",", 9) for line in content.splitlines() if line.startswith("Dial")]
    for row, cue in zip(rows, to_cues(words), strict=True):
        start, end = seconds(row[1]), seconds(row[2])
        assert abs(start - cue.start) < 0.0051 and abs(end - cue.end) < 0.0051
        at = start
        for centiseconds, text in re.findall(r"\{\\k(\d+)\}([^{]*)", row[9].replace(r"\N", " ")):
            if text.strip():
                lit.append((text.strip(), at))
            at += int(centiseconds) / 100
        assert at <= end + 0.001
        assert re.sub(r"\{.*?\}", "", row[9]).replace(r"\N", "\n") == cue.text
    assert [text for text, _ in lit] == [word.text for word in words]
    assert all(abs(at - word.start) < 0.011 for (_, at), word in zip(lit, words, strict=True))


def test_what_would_be_a_command_is_none() -> None:
    content = to_ass([TimedText(r"{\b1}\Nx", 0.0, 1.0, 1.0)])
    assert content.splitlines()[-1].endswith(r"{\k100}(/b1)/Nx")


def test_nothing_said() -> None:
    assert "Dialogue" not in to_ass([])
