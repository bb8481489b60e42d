"""Tests how English is written out for voices, by what is right, and by the normalised texts of LJ Speech."""

import json
import re
import time

import pytest

from jaxspeech.text.speech_text import spoken_form
from jaxspeech.text.spoken_numbers import cardinal, ordinal, roman, year

SPOKEN = {
    "In 1807, 1308 prisoners; in 1900 and 2005": "In eighteen oh seven, one thousand three hundred eight prisoners; "
    "in nineteen hundred and two thousand five",
    "At 3:05 PM on 11/22/1963.": "At three:oh five P.M. on November twenty-two, nineteen sixty-three.",
    "10:00 am, 9am, 7.30 p.m., 12:00, 14:00": "ten a.m., nine a.m., seven:thirty p.m., twelve o'clock, "
    "fourteen hundred hours",
    "Jan. 5, 2024; 5 Nov. 1605; the 14th June; 2024-03-05": "January five, twenty twenty-four; the fifth of November "
    "sixteen oh five; the fourteenth June; March five, twenty twenty-four",
    "$3.50, €20, £1, $0.99, $3 million, £5-10, $1,234.56": "three dollars, fifty cents, twenty euros, one pound, "
    "ninety-nine cents, three million dollars, five to ten pounds, "
    "one thousand two hundred thirty-four dollars, fifty-six cents",
    "-5°C, 5 km, 1 kg, 60 mph, 5 m², 25 min. It": "minus five degrees Celsius, five kilometers, one kilogram, "
    "sixty miles per hour, five square meters, twenty-five minutes. It",
    "6 ft 2 in. tall, 5'8\", 5 in the room": "six feet two inches tall, five feet eight inches, five in the room",
    "1/2, 3/4, 2 1/2, 2½, 24/7": "one half, three quarters, two and a half, two and a half, twenty-four seven",
    "the 1960s, '70s, 90s, 1800s, 1914-1918, '64": "the nineteen sixties, seventies, nineties, eighteen hundreds, "
    "nineteen fourteen to nineteen eighteen, 'sixty-four",
    "99.9%, .5, 0.05, 1,000,000": "ninety-nine point nine percent, point five, zero point zero five, one million",
    "1st, 2nd, 100th": "first, second, one hundredth",
    "Henry VIII, George III. c. 5; World War II; Chapter IV": "Henry the eighth, George the third c. five; "
    "World War two; Chapter four",
    "Paul L. Bentley, Robert I. Bouck, then John I saw": "Paul L. Bentley, Robert I. Bouck, then John I saw",
    "No. 133-A, no. 7, pp. 10-12, page 249": "Number one thirty-three A, number seven, pages ten to twelve, "
    "page two forty-nine",
    "no. Then 5": "no. Then five",
    "Dr. Lee of 5 Elm Dr. and St. Paul's St. met Mrs. Ray, Jr.": "Doctor Lee of five Elm Drive and Saint Paul's Street "
    "met Missus Ray, Junior.",
    "C2766, F-16, COVID-19, H2O, 4K, 007": "C two seven six six, F sixteen, COVID-nineteen, H two O, four K, "
    "zero zero seven",
    "411 Elm Street, 1026 North Beckley, box 2915": "four one one Elm Street, ten twenty-six North Beckley, "
    "box two nine one five",
    "555-1234, (212) 555-0199": "five five five, one two three four, two one two, five five five, oh one nine nine",
    "a .38-caliber gun, 44 B.C., c. 1564": "a thirty-eight-caliber gun, forty-four B.C., circa fifteen sixty-four",
    "10%-15%, 7 a.m.–9 p.m., Oct 5th, 25/12/2020, FY2020": "ten to fifteen percent, seven a.m. to nine p.m., "
    "October fifth, December twenty-five, twenty twenty, F Y twenty twenty",
    "room 101B, pre-1900, v1.2, -$5, 100s, 3,000 sq. ft. of it": "room one oh one B, pre-nineteen hundred, "
    "v one point two, minus five dollars, hundreds, three thousand square feet of it",
    "R&D = 5 + 3": "R and D equals five plus three",
    "£3 10s. and £2, 1s. 6d., 2.3bn, 20ºC, the 1st., 2nd.": "three pounds ten shillings and two pounds, one shilling "
    "six pence, two point three billion, twenty degrees Celsius, the first, second.",
    "George V, Henry V; Charles I, but George V. Higgins": "George the fifth, Henry the fifth; Charles I, "
    "but George V. Higgins",
    "joe@mail.org, www.a.com/b": "joe at mail dot org, w w w dot a dot com slash b",
    "She left — quickly – “yes”… 3–4 times": 'She left, quickly, "yes"... three to four times',
    "U.S. FBI p.m. state-of-the-art": "U.S. FBI p.m. state-of-the-art",
    "He |R EH1 D| 5": "He |R EH1 D| five",
    "  ": "",
    "日本 🙂": "日本 🙂",
}


@pytest.mark.parametrize("text", SPOKEN)
def test_texts_as_they_are_spoken(text):
    assert spoken_form(text) == SPOKEN[text]
    assert spoken_form(SPOKEN[text]) == SPOKEN[text]  # and stay so


def test_numbers():
    assert [cardinal(n) for n in (0, 13, 40, 101, 7020, 114300)] == [
        "zero",
        "thirteen",
        "forty",
        "one hundred one",
        "seven thousand twenty",
        "one hundred fourteen thousand, three hundred",
    ]
    assert [ordinal(n) for n in (2, 12, 20, 31, 1000)] == [
        "second",
        "twelfth",
        "twentieth",
        "thirty-first",
        "one thousandth",
    ]
    assert [year(n) for n in (1066, 1500, 2000, 538)] == [
        "ten sixty-six",
        "fifteen hundred",
        "two thousand",
        "five thirty-eight",
    ]
    assert [roman(text) for text in ("XIV", "MCMXC", "IIII", "CIVIL")] == [14, 1990, 0, 0]


def test_no_digit_is_left_whatever_stands_beside_it():
    odd = (
        "1e5 3,5 1.000,50 12:34:56 1/0 00 0/0 ½5 5½ 10^6 13/45/2000 $1. $,5 £ 5.. 5.5.5 1-2-3-4 #5# x5y 99999999999999"
    )
    for text in (odd, odd.replace(" ", ""), odd[::-1]):
        assert not re.search(r"\d", spoken_form(text)), spoken_form(text)


def test_odd_texts_take_no_longer_than_others():
    for text in ("1" * 9000, "a." * 4000, "a-" * 4000, "-" * 9000, "A " * 4000, "$" * 9000):
        begin = time.process_time()
        spoken_form(text)
        assert time.process_time() - begin < 5, text[:9]


# Titles are written out here, which LJ Speech leaves as they are.
_TITLES = {"mister": "mr", "missus": "mrs", "doctor": "dr", "doctors": "drs", "saint": "st", "reverend": "rev"}
_TITLES |= {"major": "maj", "general": "gen", "company": "co", "incorporated": "inc", "limited": "ltd"}


def test_as_lj_speech_is_normalised(speech):
    path = speech / "ljspeech_text" / "text.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is missing")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    pairs = [(row["text"], row["normalized_text"]) for row in rows]
    need = [(text, wanted) for text, wanted in pairs if text.split() != wanted.split()][::10]

    def words(text):
        return [_TITLES.get(word, word) for word in re.sub(r"[^a-z' ]+", " ", text.lower()).split()]

    right = [spoken_form(text) == " ".join(wanted.split()) for text, wanted in need]
    same = [words(spoken_form(text)) == words(wanted) for text, wanted in need]
    assert sum(right) >= 0.9 * len(need)  # to the last comma
    assert sum(same) >= 0.98 * len(need)
    unchanged = [text for text, wanted in pairs[::80] if text.split() == wanted.split()]
    kept = [text for text in unchanged if not re.search(r"\w\.\w|\w\. |(?:etc|viz|Co|Jr)\.|’", text)]
    assert all(words(spoken_form(text)) == words(text) for text in kept) and len(kept) > 0.8 * len(unchanged)
