"""The formats are read back by parsers written from their specifications."""

import json
import re
from itertools import pairwise

import pytest

from jaxspeech.inference.formats import to_ctm, to_jsonl, to_srt, to_text, to_vtt
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.subtitles import to_cues
from jaxspeech.search.timestamps import TimedText


def spoken(text: str, *, begin: float = 0.0, each: float = 0.3) -> list[TimedText]:
    return [TimedText(word, begin + each * i, begin + each * (i + 0.9), 0.5) for i, word in enumerate(text.split())]


def parse_srt(content: str) -> list[tuple[float, float, str]]:
    """Blocks separated by an empty line: number, times with a comma, lines of text."""
    cues = []
    for number, block in enumerate(content.removesuffix("\n\n").split("\n\n"), 1):
        head, times, *lines = block.split("\n")
        assert head == str(number)
        match = re.fullmatch(r"(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})", times)
        assert match, times
        h0, m0, s0, ms0, h1, m1, s1, ms1 = map(int, match.groups())
        assert max(m0, s0, m1, s1) < 60
        cues.append((h0 * 3600 + m0 * 60 + s0 + ms0 / 1000, h1 * 3600 + m1 * 60 + s1 + ms1 / 1000, "\n".join(lines)))
    return cues


def parse_vtt(content: str) -> list[tuple[float, float, str]]:
    """WebVTT, W3C: the signature line, then blocks whose text holds no bare & or <."""
    signature, _, body = content.partition("\n\n")
    assert signature == "WEBVTT"
    cues = []
    for block in body.removesuffix("\n\n").split("\n\n") if body else []:
        times, *lines = block.split("\n")
        match = re.fullmatch(r"(\d{2,}):([0-5]\d):([0-5]\d\.\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d\.\d{3})", times)
        assert match, times
        begin, end = (int(match[i]) * 3600 + int(match[i + 1]) * 60 + float(match[i + 2]) for i in (1, 4))
        text = "\n".join(lines)
        assert "<" not in text and "-->" not in text and not re.search(r"&(?!(amp|lt|gt);)", text)
        cues.append((begin, end, text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")))
    return cues


def test_subtitles_hold_every_word_once_in_time() -> None:
    words = spoken("it was a bright cold day in april and the clocks were striking thirteen " * 20, begin=3590.0)
    srt, vtt = parse_srt(to_srt(words)), parse_vtt(to_vtt(words))
    assert [cue[2] for cue in srt] == [cue[2] for cue in vtt]
    assert " ".join(text for *_, text in srt).split() == [word.text for word in words]
    for (begin, end, text), (begin_vtt, end_vtt, _) in zip(srt, vtt, strict=True):
        assert begin < end <= begin + 7.001
        assert (begin, end) == pytest.approx((begin_vtt, end_vtt))
        assert all(len(line) <= 42 for line in text.split("\n")) and text.count("\n") <= 1
    assert srt[0][0] == pytest.approx(3590.0, abs=1e-3) and srt[-1][1] >= words[-1].end - 1e-3
    assert all(a[1] <= b[0] for a, b in pairwise(srt))


def test_a_subtitle_ends_with_its_sentence_and_at_a_pause() -> None:
    words = spoken("well.") + spoken("this is", begin=1.0) + spoken("late", begin=5.0)
    assert [cue.text for cue in to_cues(words)] == ["well.", "this is", "late"]


def test_times_are_never_empty_or_sixty_seconds() -> None:
    [(begin, end, _)] = parse_srt(to_srt([TimedText("a", 59.9996, 59.9996, 1.0)]))
    assert begin == 60.0 and end > begin


def test_vtt_escapes_markup() -> None:
    [(_, _, text)] = parse_vtt(to_vtt([TimedText("<b>&amp;", 0.0, 1.0, 1.0)]))
    assert text == "<b>&amp;"


def test_nothing_said() -> None:
    assert to_srt([]) == "" and to_ctm([], name="a") == "" and parse_vtt(to_vtt([])) == []


def test_a_word_longer_than_a_line_stays_whole() -> None:
    assert to_cues([TimedText("x" * 100, 0.0, 1.0, 1.0)])[0].text == "x" * 100


def test_ctm_columns() -> None:
    words = spoken("hello world", begin=1.0)
    rows = [line.split() for line in to_ctm(words, name="my file").splitlines()]
    assert [len(row) for row in rows] == [6, 6]
    for (name, channel, begin, duration, text, confidence), word in zip(rows, words, strict=True):
        assert (name, channel, text) == ("my_file", "1", word.text)
        assert float(begin) == pytest.approx(word.start, abs=1e-3)
        assert float(begin) + float(duration) == pytest.approx(word.end, abs=2e-3)
        assert float(confidence) == 0.5


def test_json_repeats_the_fields() -> None:
    hypothesis = Hypothesis("grüß gott", -1.0, (1,), 0.5, 2.0, "a.wav", words=(TimedText("grüß", 0.1, 0.52, 0.25),))
    line = to_jsonl(hypothesis, {"audio_filepath": "a.wav", "text": "grüß", "x": [1]})
    assert line.endswith("\n") and line.count("\n") == 1 and "grüß" in line
    assert json.loads(line) == {
        "audio_filepath": "a.wav",
        "text": "grüß",
        "x": [1],
        "pred_text": "grüß gott",
        "pred_words": [{"text": "grüß", "start": 0.1, "end": 0.52, "confidence": 0.25}],
    }


def test_text_lines() -> None:
    hypothesis = Hypothesis("a b", -1.0, (1,), 0.5, 2.0, "x.wav")
    assert to_text(hypothesis, named=False) == "a b\n" and to_text(hypothesis, named=True) == "x.wav\ta b\n"
    timed = hypothesis._replace(segments=(TimedText("a", 0.0, 1.0, 0.5), TimedText("b", 1.0, 2.5, 0.5)))
    assert to_text(timed, named=True) == "x.wav\t0.00\t1.00\ta\nx.wav\t1.00\t2.50\tb\n"
