"""Words of every script: together they are the text, and no cluster of characters is divided."""

import random
from itertools import pairwise

import pytest

from jaxspeech.spacing import Attached, join
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.differences import differences
from jaxspeech.text.graphemes import graphemes
from jaxspeech.text.spelling import spell
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.words import token_words, words

DIVIDED = {
    "今天很好，我们去iPhone16商店。": "今 天 很 好， 我 们 去 iPhone16 商 店。",
    "OK，iPhone「你好」（世界）花¥500，42度!": "OK， iPhone 「你 好」 （世 界） 花 ¥500， 42 度!",
    "テストです。ビール３本！": "テ ス ト で す。 ビ ー ル ３ 本！",
    "น้ำเย็น๒๐๒๔ปี": "น้ำ เย็ น ๒๐๒๔ ปี",
    "မြန်မာနိုင်ငံ။ကမ္ဘာ": "မြန် မာ နိုင် ငံ။ က မ္ဘာ",
    "សួស្តីពិភពលោក។": "សួ ស្តី ពិ ភ ព លោ ក។",
    "ສະບາຍດີ": "ສະ ບາ ຍ ດີ",
    "བོད་སྐད་": "བོད་ སྐད་",
    "है।वह": "है। वह",
    "ሰላም፡ለዓለም።እንዴት": "ሰላም፡ ለዓለም። እንዴት",
    "한국어와中文": "한국어와 中 文",
    "نعم؟لا": "نعم؟ لا",
}
SPACED = (
    "Hello, world… it's 3.5 €5 “quoted” (x)y ⁇ naïve? سلام، می\u200cخواهم हिन्दी। 안녕하세요 привет! don't-stop e\u0301"
)


@pytest.mark.parametrize("text", DIVIDED)
def test_words_of_scripts_without_spaces(text: str) -> None:
    found = list(words(text))
    assert found == DIVIDED[text].split()
    assert join(found) == text
    assert [isinstance(word, Attached) for word in found] == [False, *[True] * (len(found) - 1)]


def test_spaced_scripts_have_the_words_between_spaces() -> None:
    assert list(words(SPACED)) == SPACED.split()
    assert list(words(f"a \u200b {SPACED} \ufeff")) == ["a", *SPACED.split()]


def test_any_mixture_joins_to_the_text() -> None:
    rng, parts = (
        random.Random(0),
        [*"".join(DIVIDED) + SPACED, "👨\u200d👩\u200d👧", "🇩🇪", "e\u0301", "\u1112\u1161\u11ab"],
    )
    for _ in range(300):
        text = " ".join("".join(rng.choices(parts, k=rng.randint(1, 12))) for _ in range(3))
        found = list(words(text))
        assert join(found) == " ".join(text.split()) and all(found)


@pytest.mark.parametrize(
    "cluster",
    [
        "e\u0301", "👨\u200d👩\u200d👧", "👍🏽", "🇩🇪", "1\ufe0f\u20e3", "\u1112\u1161\u11ab", "가\u11a8", "क्षि",
        "क्\u200dष", "ស្តី", "မ္ဘာ", "น้ำ", "เกี่ย"[:4], "葛\U000e0100", "ｶﾞ", "❤\ufe0f",
        "\r\n", "🏴\U000e0067\U000e0062\U000e007f",
    ],
)  # fmt: skip
def test_clusters_stay_whole(cluster: str) -> None:
    assert graphemes(cluster) == [cluster]
    assert graphemes(cluster * 3 + "b") == [cluster] * 3 + ["b"]
    assert graphemes("好" + cluster) == ["好", cluster]


@pytest.mark.parametrize("spaces", ["", " "])
def test_tokens_of_any_size_give_the_same_words(spaces: str) -> None:
    text = "今天天气很好，我们去iPhone商店。" + spaces + "今天很好"
    tokenizers = [
        CharTokenizer(sorted({*text, " "})),
        *(train_tokenizer([text, "今天 天气 我们"] * 5, type="bpe", vocab_size=size) for size in (32, 40)),
    ]
    for tokenizer in tokenizers:
        ids = tokenizer.encode(text)
        found = token_words(tokenizer, ids)
        assert [word for word, _, _ in found] == list(words(tokenizer.decode(ids)))
        assert join(word for word, _, _ in found) == tokenizer.decode(ids)
        assert all(first < stop for _, first, stop in found)
        assert all(a[2] <= b[1] for a, b in pairwise(found))
        assert found[0][1] == 0 and found[-1][2] == len(ids)


def test_bytes_share_their_character() -> None:
    text = "今天好"
    tokenizer = train_tokenizer([text] * 5, type="bpe", vocab_size=8)
    unknown = tokenizer.encode("今龘好")
    assert [word for word, _, _ in token_words(tokenizer, unknown)] == ["今", "⁇", "好"]


def test_spelling_of_a_text_without_spaces() -> None:
    text = "今天天气很好，我们去公园。直到42度"
    plain = CharTokenizer(sorted(set(text) - set("，。42")))
    spelling = spell(text, plain)
    assert [word for word, _, _ in spelling.words] == list(words(text)) and spelling.unspelled == ("42",)
    for word, first, stop in spelling.words:
        assert "".join(spelling.pieces[int(first) : int(stop)]) == word.strip("，。")
    pieces = train_tokenizer([text, "今天 天气"] * 5, type="bpe", vocab_size=26)
    spelling = spell(text, pieces)
    assert list(spelling.ids) == pieces.encode(text)
    assert [word for word, _, _ in spelling.words] == list(words(text))
    assert spell(f"\ufeff {text} \u200b", pieces)[:3] == spelling[:3]
    thai = "สวัสดีครับ ผมชื่อ"
    assert join(word for word, _, _ in spell(thai, CharTokenizer(sorted(set(thai)))).words) == thai


def test_differences_show_the_characters() -> None:
    found = differences("今天天气很好", "今天大气很好")
    assert [(part.kind, part.said, part.heard) for part in found] == [
        ("equal", "今天", "今天"),
        ("substitute", "天", "大"),
        ("equal", "气很好", "气很好"),
    ]
    [same] = differences("le cafe\u0301 est fermé…", "le café est fermé...")
    assert same.kind == "equal" and same.said == "le cafe\u0301 est fermé…"
