"""Writes the numbers in English words that neither a date nor an amount has taken.

"Exhibit 143" -> "Exhibit one forty-three"     "C2766" -> "C two seven six six"       "1026 North Beckley"
"in 1803"     -> "in eighteen oh three"        "1308 prisoners" -> "one thousand three hundred eight prisoners"
"""

import re

from jaxspeech.text.spoken_amounts import NUMBER, amount
from jaxspeech.text.spoken_numbers import cardinal, decimal, digits, hundreds, ordinal, pairs, year

_ORDINAL = re.compile(r"\b(\d{1,3}(?:,\d{3})+|\d+)(st|nd|rd|th|ST|ND|RD|TH)\b(?:\.(?=,|;))?")
_COMPASS = r"(?:North|South|East|West|N\.|S\.|E\.|W\.)"
_STREET = "Street|Avenue|Road|Drive|Lane|Boulevard|Place|Court|Square|Terrace|Parkway|Highway|Way|Crescent|Row"
_NAME = rf"(?:[A-Z][\w'.]*|\w+th|\w+nd|\w+st) (?:[A-Z]\w+ )?(?:{_STREET})\b"
_ADDRESS = re.compile(rf"(?<![\w,.$£])(\d{{3,5}})(?= {_COMPASS} [A-Z]| {_NAME})")
_BOX = re.compile(r"\b([Bb]ox|[Zz]ip|[Zz]ip [Cc]ode|[Pp]in|PIN|[Cc]ode|address of) (\d{3,})\b")
# Before these, a number of three digits is a name: "page two forty-nine".
_NAMED = (
    "[Nn]umbers?|[Ee]xhibits?|[Pp]ages?|[Rr]oom|[Ff]light|[Rr]oute|[Ii]nterstate|[Hh]ighway|[Aa]partment|[Ss]uite|"
    r"[Ff]rames?|[Bb]us|[Cc]hannel|[Bb]oeing|[Gg]ate|IQ of|I\.Q\. of|[Ll]ot|[Uu]nit|[Pp]salm|[Hh]ymn"
)
_NUMBERED = re.compile(rf"\b({_NAMED}) (\d[\d,]*)(?:-?([A-Z]))?(?![\w%]|\.\d|[-–]\d)")
_SERIAL = re.compile(r"(?<![\w'])([A-Z]{1,4})-?(\d+)([A-Z]?)\b(?![.,]\d)")
_DIGITS_LETTER = re.compile(r"\b(\d+)([A-Z])\b(?!\.\w)")
_PHONE = re.compile(r"(?<![\w-])(?:\+?(\d{1,2})[ -])?(?:\((\d{3})\)\s?|(\d{3})[-. ])?(\d{3})[-.](\d{4})(?![\w-])")
_ABROAD = re.compile(r"(?<![\w.,])(?:\+\d{1,3} (?=\d)|(?=0))\d{2,5} \d{3,4} \d{3,4}\b")
_DIALLED = re.compile(r"\b([Cc]all|[Dd]ial) (\d{3})\b(?= (?:for|if|in|now|and|or|when)\b|[.,;:!?]|$)")
_RANGE = re.compile(rf"(?<![\w.,-])({NUMBER})\s?[-–]\s?({NUMBER})(?![\w-])")
_SCORE = re.compile(r"(?<=\d)\s?[×x]\s?(?=\d)")
_ARMS = "Special|Magnum|rifle|pistol|revolver|gun|ammunition|cartridge|bullet|shell|round|Winchester|ACP"
_CALIBER = re.compile(rf"(?<![\w.])\.(\d\d)(?=-| ?(?:calib(?:er|re)|{_ARMS}))")
_DECIMAL = re.compile(r"(?<![\w.])(-)?(\d{1,3}(?:,\d{3})+|\d+)?\.(\d+)(?![\w]|\.\d)")
_VERSION = re.compile(r"(?<!\w)\d+(?:\.\d+){2,}(?!\w)")
_GROUPED = re.compile(r"(?<![\w.])(-)?(\d{1,3}(?:,\d{3})+)(?!\d)")
_LONG = re.compile(r"\d+")
# After these prepositions four digits are a year, even with a noun after it.
_TIMES = (
    "in since until till by from before after during circa early late mid summer autumn winter spring fall year years "
    "anno copyright between"
)
_OF_TIME = frozenset(_TIMES.split(" "))
# Words on -s, and others, before which a number counts nothing.
_SMALL_WORDS = (
    "is was has his as its this thus us perhaps besides always sometimes afterwards towards plus unless across "
    "versus when where which while who whom with without and or but to of the a an in on at by for from he she it "
    "they we you there then that than before after until since had have were are be been would could should may "
    "might must did does do can will not no so if how why also only even still again into upon over under through "
    "between among against"
)
_NO_NOUN = frozenset(_SMALL_WORDS.split(" "))
_PLURALS = "people men women children persons feet teeth mice sheep deer fish police cattle strong"
_NOUNS = frozenset(_PLURALS.split(" "))
_FOUR = re.compile(r"(?<![\w.,$£€])(?<!\W-)(?<!\d-)(\d{3,4})(?![\w]|,\d|\.\d)")
_BEFORE = re.compile(r"([A-Za-z]+)[\s,(\"']*$")
_AFTER = re.compile(r"^(\W*)([A-Za-z]*)")


def spoken_names(text: str) -> str:
    """Returns a text with ordinal numbers, and numbers that name a house, a page or the like, in words."""
    text = _ORDINAL.sub(lambda found: ordinal(int(found[1].replace(",", ""))), text)
    text = _ADDRESS.sub(_house, text)
    text = _BOX.sub(lambda found: f"{found[1]} {digits(found[2])}", text)
    text = re.sub(r"#\s?(?=\d)", "number ", text)
    text = _NUMBERED.sub(_numbered, text)
    return _SERIAL.sub(_serial, text)


def spoken_phones(text: str) -> str:
    """Returns a text with telephone numbers in words."""
    text = _ABROAD.sub(lambda found: ", ".join(digits(part, zero="oh") for part in found[0].split()), text)
    text = _DIALLED.sub(lambda found: f"{found[1]} {digits(found[2])}", text)
    return _PHONE.sub(_phone, text)


def spoken_figures(text: str) -> str:
    """Returns a text with all other numbers in words."""
    text = re.sub(r"(?<![\w.,])(\d{1,3}) 000\b", r"\1,000", text)
    text = re.sub(r"(?<=\d):(?=\d)", " to ", text)
    text = re.sub(r"(?<=\d)/(?=\d)", " ", text)
    text = re.sub(r"(?<=\d) ?\* ?(?=\d)|(?<=\d) ?× ?(?=10\^)", " times ", text)
    text = re.sub(r"(?<=\d) [/÷] (?=\d)", " divided by ", text)
    text = re.sub(r"\b([vV])(?=\d)", r"\1 ", text)
    text = _VERSION.sub(lambda found: " point ".join(cardinal(int(part)) for part in found[0].split(".")), text)
    text = _SCORE.sub(" by ", text)
    text = _RANGE.sub(_range, text)
    text = _CALIBER.sub(lambda found: cardinal(int(found[1])), text)
    text = _DECIMAL.sub(_decimal, text)
    text = _GROUPED.sub(lambda found: f"{'minus ' if found[1] else ''}{amount(found[2])}", text)
    text = _FOUR.sub(_year_or_amount, text)
    text = _DIGITS_LETTER.sub(lambda found: f"{cardinal(int(found[1]))} {found[2]}", text)
    text = re.sub(r"(?<![\w-])-(?=\d)", "minus ", text)
    text = re.sub(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", " ", text)
    return _LONG.sub(lambda found: _rest(found[0]), text)


def _phone(found: re.Match[str]) -> str:
    groups = [group for group in found.groups() if group]
    return ", ".join(digits(group, zero="oh") for group in groups)


def _house(found: re.Match[str]) -> str:
    number = int(found[1])
    if found[1][0] == "0" or number > 9999 or (number < 1000 and number % 100 and number // 10 % 10):
        return digits(found[1])
    return pairs(number)


def _numbered(found: re.Match[str]) -> str:
    name, number, letter = found.groups()
    stop = "," if number.endswith(",") else ""
    plain = number.replace(",", "")
    large = len(plain) > 6 or (plain[0] == "0" and len(plain) > 1)
    words = digits(plain) if large else pairs(int(plain)) if 3 <= len(plain) <= 4 else cardinal(int(plain))
    return f"{name} {words}{f' {letter}' if letter else ''}{stop}"


def _serial(found: re.Match[str]) -> str:
    letters, number, letter = found.groups()
    if len(letters) > 1 and len(number) == 4 and number[:2] in ("19", "20"):
        words = year(int(number))
    else:
        words = cardinal(int(number)) if len(number) < 3 and number[0] != "0" else digits(number)
    return " ".join([*letters, words, *letter])


def _range(found: re.Match[str]) -> str:
    first, last = found.groups()
    if int(re.sub(r"\D", "", first)) >= int(re.sub(r"\D", "", last)) and len(first) >= len(last) > 1 and len(first) < 4:
        return f"{amount(first)} {amount(last)}"  # a score, or a number in parts
    return f"{amount(first)} to {amount(last)}"


def _decimal(found: re.Match[str]) -> str:
    minus, whole, part = found.groups()
    number = f"{whole or ''}.{part}".replace(",", "")
    return f"{'minus ' if minus else ''}{decimal(number)}"


def _year_or_amount(found: re.Match[str]) -> str:
    """A year of three or four digits is read in two parts, an amount is not."""
    written, number = found[1], int(found[1])
    if written[0] == "0":
        return digits(written)
    before = _BEFORE.search(found.string[: found.start()])
    following = _AFTER.match(found.string[found.end() :])
    mark, after = following.groups() if following else ("", "")
    preposition = before is not None and before[1].lower() in _OF_TIME
    noun = mark == " " and after not in _NO_NOUN and after.islower() and (after.endswith("s") or after in _NOUNS)
    if len(written) == 3:
        no_noun = not after or mark != " " or after[0].isupper() or after in _NO_NOUN
        return (
            year(number) if before is not None and no_noun and before[1].lower() in ("in", "year") else cardinal(number)
        )
    if not (preposition or 1100 <= number <= 2099) or number > 2999 or (noun and not preposition):
        return hundreds(number)
    return year(number)


def _rest(number: str) -> str:
    if (number[0] == "0" and len(number) > 1) or len(number) > 12:
        return digits(number)
    return cardinal(int(number))
