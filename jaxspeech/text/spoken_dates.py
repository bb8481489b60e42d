"""Writes dates, years and times of day in English words.

    "November 22, 1963" -> "November twenty-two, nineteen sixty-three"       "the 14th June, 1800"   "2024-03-05"
    "12:33 p.m."        -> "twelve:thirty-three p.m."                        "the 1960s"             "'64"

The day is a cardinal number after the month, as in the texts of LJ Speech. A colon stays between hour and minute.
"""

import re

from jaxspeech.text.abbreviations import MONTHS
from jaxspeech.text.spoken_numbers import cardinal, digits, ordinal, plural, year

_MONTH = "|".join(MONTHS)
_DASH = r"\s?[-–—]\s?"
_ISO = re.compile(r"(?<![\w/-])(\d{4})([-/])(\d{2})\2(\d{2})(?![\w/]|-\d)")
_POINTED = re.compile(r"(?<![\w.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?!\w|\.\d)")
_SLASHED = re.compile(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})(?![\w/])")
_DAY = re.compile(rf"\b({_MONTH}) (\d{{1,2}})\b(?!:|,\d|\.\d)(?:{_DASH}(\d{{1,2}})\b)?(?:(,?) (\d{{4}})\b(?!,\d))?")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}}) ({_MONTH})\b(?:(,?) (\d{{3,4}})\b)?")
_MONTH_YEAR = re.compile(rf"\b({_MONTH}|spring|summer|autumn|fall|winter)(,? (?:of )?)(\d{{4}})\b(?!,\d)")
_TIME = re.compile(
    r"(?<![\d:.,])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(\s?)([AaPp]\.?[Mm]\.?(?!\w)|o'clock)?"
)
_HOUR = re.compile(r"(?<![\d:.,$£€])(1[0-2]|[1-9])(\s?)([AaPp]\.?[Mm]\b\.?)(?!\w)")
_DECADE = re.compile(r"(?<![\w,.])(['’]?)(\d{1,2})?(\d0)['’]?s\b")
_SHORT_YEAR = re.compile(r"(?<!\w)(['’])(\d\d)\b(?!['’\"]|\.\d)")
_YEARS = re.compile(rf"(?<![\w,.$£€-])(1[1-9]\d\d|20\d\d){_DASH}(\d{{4}}|\d{{2}})\b(?![-,]\d)")
_ERA = re.compile(
    r"(?<![\w,.])(\d{1,4})(?:(\s?[-–]\s?|,? (?:to|and|or) )(\d{1,4}))?(\s?)(?=(?:B\.\s?C|A\.\s?D|BCE?\b|CE\b|AD\b))"
)
_ERA_FIRST = re.compile(r"\b(A\.\s?D\.|AD) (\d{1,4})\b")


def spoken_dates(text: str) -> str:
    """Returns a text with dates, years that are plain from what is beside them, and times in words."""
    text = _ISO.sub(lambda found: _date(found[0], found[1], found[3], found[4]), text)
    text = _POINTED.sub(lambda found: _date(found[0], found[3], found[2], found[1]), text)
    text = _SLASHED.sub(lambda found: _date(found[0], found[3], found[1], found[2]), text)
    text = _DAY.sub(_day, text)
    text = _DAY_FIRST.sub(_day_first, text)
    text = _MONTH_YEAR.sub(lambda found: f"{found[1]}{found[2]}{year(int(found[3]))}", text)
    text = re.sub(r"(?<![\d:.,])(\d{1,2})\.([0-5]\d)(?=\s?[AaPp]\.?[Mm]\b)", r"\1:\2", text)
    text = re.sub(
        r"((?<=\d)[AaPp]\.?[Mm]\.?|\b[AaPp]\.?[Mm]\.?|\d:\d\d)\s?[-–]\s?(?=\d{1,2}(?::\d\d|\s?[AaPp]))", r"\1 to ", text
    )
    text = _TIME.sub(_time, text)
    text = _HOUR.sub(lambda found: f"{cardinal(int(found[1]))} {_half_of_day(found[3])}", text)
    text = _ERA.sub(_era, text)
    text = _ERA_FIRST.sub(lambda found: f"{found[1]} {year(int(found[2]))}", text)
    text = _YEARS.sub(lambda found: f"{year(int(found[1]))} to {year(int(found[2]))}", text)
    text = re.sub(r"(?<![\w,.])(100|1,?000)s\b", lambda found: "hundreds" if found[1] == "100" else "thousands", text)
    text = _DECADE.sub(_decade, text)
    return _SHORT_YEAR.sub(lambda found: f"{found[1]}{_two_digits(found[2])}", text)


def _date(written: str, years: str, month: str, day: str) -> str:
    if 12 < int(month) <= 31 and int(day) <= 12:
        month, day = day, month  # the day first
    if not 1 <= int(month) <= 12 or not 1 <= int(day) <= 31:
        return written
    spoken = year(int(years)) if len(years) == 4 else _two_digits(years)
    return f"{MONTHS[int(month) - 1]} {cardinal(int(day))}, {spoken}"


def _day(found: re.Match[str]) -> str:
    month, day, last, comma, years = found.groups()
    if int(day) > 31:
        return found[0]
    words = f"{month} {cardinal(int(day))}" + (f" to {cardinal(int(last))}" if last else "")
    return words + (f"{comma} {year(int(years))}" if years else "")


def _day_first(found: re.Match[str]) -> str:
    day, month, comma, years = found.groups()
    if int(day) > 31:
        return found[0]
    before = found.string[: found.start()].rstrip()
    words = f"{'' if before.lower().endswith('the') else 'the '}{ordinal(int(day))}"
    return f"{words} of {month}" + (f"{comma} {year(int(years))}" if years else "")


def _time(found: re.Match[str]) -> str:
    hour, minute, second, space, half = found.groups()
    words = cardinal(int(hour))
    if int(minute):
        words += f":{_two_digits(minute)}"
    elif not half:
        words += " o'clock" if int(hour) < 13 and not second else " hundred hours"
    if second and int(second):
        words += f" and {cardinal(int(second))} second{'' if int(second) == 1 else 's'}"
    return words + (f" {_half_of_day(half)}" if half else space)


def _half_of_day(half: str) -> str:
    """The letters get full stops, as they are spoken one by one."""
    letters = [char for char in half if char.isalpha()]
    return half if half.startswith("o'") or half.count(".") == 2 else f"{'.'.join(letters)}."


def _decade(found: re.Match[str]) -> str:
    century, tens = found[2], found[3]
    if tens == "00":
        words = f"{cardinal(int(century))} hundreds" if century else found[0]
        return words if not (century and int(century) % 10 == 0) else f"{cardinal(int(century) * 100)}s"
    if century and len(century) == 1:
        return found[0]
    words = plural(cardinal(int(tens)))
    return f"{cardinal(int(century))} {words}" if century else words


def _two_digits(text: str) -> str:
    """Two digits of a year or a minute: "05" is oh five."""
    return cardinal(int(text)) if text[0] != "0" or text == "00" else digits(text, zero="oh")


def _era(found: re.Match[str]) -> str:
    first, between, last, space = found.groups()
    joined = " to " if between and between.strip() in "-–" else between
    return year(int(first)) + (f"{joined}{year(int(last))}" if last else "") + (space or " ")
