"""Subtitles of every script keep the limits of broadcasters, show all of the text, and divide no character."""

import random
import unicodedata
from itertools import pairwise

import pytest

from jaxspeech.inference.formats import to_ctm, to_srt, to_vtt
from jaxspeech.inference.karaoke import to_ass
from jaxspeech.inference.subtitles import to_cues
from jaxspeech.inference.timed_tokens import TimedTokens
from jaxspeech.spacing import join
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.graphemes import graphemes

TEXTS = {
    "Chinese": "今天天气很好，我们去公园散步。路上遇到了老朋友，大家一起喝茶聊天，直到晚上才回家。",
    "Chinese without marks": "今天天气很好我们去公园散步路上遇到了老朋友大家一起喝茶聊天直到晚上才回家",
    "Japanese": "きょうはとてもいい天気なので、公園へ行きました。スーパーマーケットでコーヒーを買いました！",
    "with Latin": "我们用iPhone16和MacBookPro，2024年12月。OpenAI的ChatGPT（聊天机器人）很有名吗？",
    "Thai": "สวัสดีครับ ผมชื่อเจมส์ วันนี้อากาศดีมากเราจึงไปเดินเล่นที่สวนสาธารณะด้วยกันกับเพื่อนเก่า",
    "Lao": "ສະບາຍດີ ມື້ນີ້ອາກາດດີຫຼາຍພວກເຮົາໄປຍ່າງຫຼິ້ນຢູ່ສວນສາທາລະນະ",
    "Khmer": "សួស្តីពិភពលោក។ថ្ងៃនេះអាកាសធាតុល្អណាស់យើងទៅដើរលេងនៅសួន។",
    "Burmese": "ဒီနေ့ရာသီဥတုအရမ်းကောင်းတယ်။ကျွန်တော်တို့ပန်းခြံကိုလမ်းလျှောက်သွားကြတယ်။",
    "Korean": "오늘은 날씨가 정말 좋아서 우리는 공원에 산책하러 갔습니다. 오랜 친구를 만났어요!",
    "Hindi": "आज मौसम बहुत अच्छा है। हम पार्क में घूमने गए। क्या तुम आओगे?",
    "Arabic": "الطقس جميل اليوم، ذهبنا إلى الحديقة. هل تأتي معنا؟ نعم۔",
    "emoji": "好👨\u200d👩\u200d👧👍🏽🇩🇪" * 12,
    "Hangul without spaces": "오늘은날씨가정말좋아서우리는공원에산책하러갔습니다오랜친구를만났어요",
}


def columns(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def heard(text: str, each: float, rng: random.Random | None = None) -> TimedTokens:
    """The words of a text, said character by character; with a generator also with pauses."""
    tokenizer = CharTokenizer(sorted({*text, " "}))
    starts, at = [], 0.0
    for _ in text:
        starts.append(at)
        at += each + (rng.choice([0, 0, 0, 0, 0, 0, 0, 0.5, 1.5]) * rng.random() if rng else 0)
    timed = TimedTokens(tokenizer, frame_seconds=1.0)
    ends = [start + each * 0.8 for start in starts]
    timed.update(tokenizer.encode(text), starts, ends, [1.0] * len(text), duration=at)
    return timed


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("script", TEXTS)
def test_limits(script: str, form: str) -> None:
    rng, text = random.Random(0), unicodedata.normalize(form, TEXTS[script])
    for each in (0.04, 0.2, 1.0):
        timed = heard(text * 2, each, rng)
        cues = to_cues(timed.words, timed.segments)
        words = [word.text for cue in cues for line in cue.lines for word in line]
        assert join(words) == text * 2
        assert not words[0].isspace() and [c for word in words for c in graphemes(word)] == [
            c for c in graphemes(text * 2) if c != " "
        ]
        for cue in cues:
            assert len(cue.lines) <= 2
            for line in cue.text.split("\n"):
                wide = [c for c in line if unicodedata.east_asian_width(c) in "WF" and unicodedata.category(c) != "So"]
                assert columns(unicodedata.normalize("NFC", line)) <= (32 if wide else 42), line
            assert 0 < cue.end - cue.start <= 7 + 1e-6
            spoken = [word.end for line in cue.lines for word in line]
            assert cue.end >= min(max(spoken) - 0.1, cue.start + 6.9) - 1e-6  # every word is shown while it is said
        assert all(a.end <= b.start + 1e-6 for a, b in pairwise(cues))


def test_sentences_and_clauses_end_subtitles() -> None:
    timed = heard(TEXTS["Chinese"], 0.2)
    sentences = ["今天天气很好，我们去公园散步。", "路上遇到了老朋友，大家一起喝茶聊天，直到晚上才回家。"]
    assert [segment.text for segment in timed.segments] == sentences
    assert [cue.text.replace("\n", "") for cue in to_cues(timed.words)] == sentences
    thai = heard(TEXTS["Thai"], 0.1)
    assert to_cues(thai.words)[0].text.split("\n")[0] == "สวัสดีครับ ผมชื่อเจมส์"


def test_no_line_begins_with_a_small_kana_or_a_long_vowel() -> None:
    text = "スーパーマーケットでコーヒーをちゃんと買ってからしゃべっちゃった" * 4
    words = heard(text, 0.12).words
    lines = [line for cue in to_cues(words) for line in cue.text.split("\n")]
    assert len(lines) > 6 and not [line for line in lines if line[0] in "ーゃっャ"]


def test_formats_write_no_spaces_between_the_words() -> None:
    timed = heard("你好，世界。OK", 0.2)
    for content in (to_srt(timed.words, timed.segments), to_vtt(timed.words)):
        assert "你好，世界" in content.replace("\n", "")
    assert "你{\\k" in to_ass(timed.words)
    assert [line.split()[4] for line in to_ctm(timed.words, name="a").splitlines()] == [
        "你",
        "好，",
        "世",
        "界。",
        "OK",
    ]
