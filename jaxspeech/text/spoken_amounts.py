"""Writes amounts in English words: money, measures, percentages and fractions.

"£8000" -> "eight thousand pounds"      "$21.45" -> "twenty-one dollars, forty-five cents"     "$3 million"
"5 km"  -> "five kilometers"            "1/2"    -> "one half"                                 "3%"
"""

import re

from jaxspeech.text.spoken_numbers import cardinal, decimal, hundreds, ordinal

NUMBER = r"\d+(?:,\d{3})+(?:\.\d+)?(?![\d,]*\d)|\d+\.\d+|\d+"
_SCALE = "hundred|thousand|million|billion|trillion|[kKMB]|bn|mn|m"
_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "m": "million", "mn": "million"} | dict.fromkeys(
    ["B", "bn"], "billion"
)
# Sign -> one, several, and their hundredth, one and several.
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("U.S. dollar", "U.S. dollars", "cent", "cents"),
    "A$": ("Australian dollar", "Australian dollars", "cent", "cents"),
    "C$": ("Canadian dollar", "Canadian dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
    "Rs.": ("rupee", "rupees", "paisa", "paise"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "jeon", "jeon"),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
}
# Unit -> one; the others add -s.
_UNITS = {
    "km": "kilometer",
    "cm": "centimeter",
    "mm": "millimeter",
    "nm": "nanometer",
    "m": "meter",
    "mi": "mile",
    "yd": "yard",
    "yds": "yard",
    "kg": "kilogram",
    "mg": "milligram",
    "g": "gram",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "l": "liter",
    "L": "liter",
    "ml": "milliliter",
    "mL": "milliliter",
    "gal": "gallon",
    "ha": "hectare",
    "hr": "hour",
    "hrs": "hour",
    "min": "minute",
    "mins": "minute",
    "sec": "second",
    "secs": "second",
    "ms": "millisecond",
    "kB": "kilobyte",
    "KB": "kilobyte",
    "MB": "megabyte",
    "GB": "gigabyte",
    "TB": "terabyte",
    "W": "watt",
    "kW": "kilowatt",
    "MW": "megawatt",
    "kWh": "kilowatt-hour",
    "V": "volt",
    "kV": "kilovolt",
    "mA": "milliampere",
}
# Unit -> one, several.
_IRREGULAR = {
    "ft": ("foot", "feet"),
    "in": ("inch", "inches"),
    "sq ft": ("square foot", "square feet"),
    "sq mi": ("square mile", "square miles"),
    "sq km": ("square kilometer", "square kilometers"),
    "sq m": ("square meter", "square meters"),
    "km²": ("square kilometer", "square kilometers"),
    "m²": ("square meter", "square meters"),
    "m³": ("cubic meter", "cubic meters"),
    "cm³": ("cubic centimeter", "cubic centimeters"),
    "mph": ("mile per hour", "miles per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "m/s": ("meter per second", "meters per second"),
    "rpm": ("revolution per minute", "revolutions per minute"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "dB": ("decibel", "decibels"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "%": ("percent", "percent"),
    "‰": ("per mille", "per mille"),
    "¢": ("cent", "cents"),
}
_ALL = {unit: (one, f"{one}s") for unit, one in _UNITS.items()} | _IRREGULAR
_NAMES = "|".join(sorted(map(re.escape, _ALL), key=len, reverse=True))
_WRITTEN = "1/2 1/3 2/3 1/4 3/4 1/5 2/5 3/5 4/5 1/6 5/6 1/8 3/8 5/8 7/8"
_FRACTIONS = dict(zip("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞", _WRITTEN.split(" "), strict=True))
_SIGNS = "|".join(sorted(map(re.escape, _CURRENCIES), key=len, reverse=True))
_MONEY = re.compile(rf"({_SIGNS})\s?({NUMBER})(?:\s?[-–]\s?(?:{_SIGNS})?({NUMBER}))?(?:[ -]?({_SCALE})\b(?!\.?\d))?")
# Before 1971: £1 5s. 6d.
_SHILLINGS = re.compile(r"(?<![\w.,])(\d+)s\.(?=,? \d+d\.)")
_AFTER_POUNDS = re.compile(rf"(£\s?(?:{NUMBER}),? )(\d+)s\.(?!\w)")
_PENCE = re.compile(r"(?<![\w.,])(\d+)d\.")
_PER = {"s": "second", "sec": "second", "min": "minute", "h": "hour", "hr": "hour", "day": "day", "kg": "kilogram"}
_MEASURE = re.compile(rf"(?<![\w.,])(-|−)?({NUMBER})(\s?)({_NAMES})(?:/({'|'.join(_PER)})\b)?(?![\w/²³])(\.(?!\w))?")
_SCALED = re.compile(rf"(?<![\w.,])({NUMBER})\s?(bn|mn)\b(\.(?=,|\s[a-z]))?")
_SAME_UNIT = re.compile(rf"(?<![\w.,])({NUMBER})\s?({_NAMES})\s?[-–]\s?(?=(?:{NUMBER})\s?\2(?!\w))")
_SHAPE = r"(?=\s?(?:x|×|by|long|tall|wide|high|deep)\b)"
_RANGE = re.compile(rf"(?<![\w.,])({NUMBER})\s?[-–]\s?(?=(?:{NUMBER})\s?(?:{_NAMES})(?![\w/]))")
_FRACTION = re.compile(r"(?<![\w./])(?:(\d+)[ -])?(\d{1,2})/(\d{1,3})(?![\w/])(?!\.\d)")
_HEIGHT = re.compile(r"(?<![\w.])(\d{1,2})\s?['’′]\s?(\d{1,2})(?:\s?[\"”″]|['’]{2})")


def amount(number: str) -> str:
    """Returns a number as it is written, "1,300" or "8.25", in words."""
    plain = number.replace(",", "")
    return decimal(plain) if "." in plain else hundreds(int(plain))


def spoken_money(text: str) -> str:
    """Returns a text with sums of money in words."""

    text = re.sub(rf"(?<![\w)])-(?=(?:{_SIGNS})\d)|(?<=\s)-(?=(?:{_SIGNS})\d)", "minus ", text)
    text = re.sub(rf"({_SIGNS})-(?=\d)", r"minus \1", text)
    text = _SHILLINGS.sub(lambda found: _shillings(found[1]), text)
    text = _AFTER_POUNDS.sub(lambda found: f"{found[1]}{_shillings(found[2])}", text)
    text = _PENCE.sub(lambda found: f"{found[1]} {'penny' if found[1] == '1' else 'pence'}", text)
    # "a $5 million-dollar house" says dollar once.
    return re.sub(r" (?:dollars|pounds|euros)(?=-(?:dollar|pound|euro)\b)", "", _MONEY.sub(_money, text))


def _shillings(number: str) -> str:
    return f"{number} shilling{'' if number == '1' else 's'}"


def _money(found: re.Match[str]) -> str:
    sign, number, last, scale = found.groups()
    if scale:
        several = _CURRENCIES[sign][1]
        return f"{amount(number)}{f' to {amount(last)}' if last else ''} {_SCALES.get(scale, scale)} {several}"
    return f"{amount(number)} to {_sum(last, sign)}" if last else _sum(number, sign)


def _sum(number: str, sign: str) -> str:
    one, several, cent, cents = _CURRENCIES[sign]
    whole, _, part = number.replace(",", "").partition(".")
    units, hundredths = int(whole), int(part) if len(part) == 2 else 0
    if part and len(part) != 2:
        return f"{decimal(f'{whole}.{part}')} {several}"
    words = f"{hundreds(units)} {one if units == 1 else several}"
    small = f"{cardinal(hundredths)} {cent if hundredths == 1 else cents}"
    return words if not hundredths else small if not units else f"{words}, {small}"


def spoken_measures(text: str) -> str:
    """Returns a text with measures, percentages, heights and fractions in words."""
    for char, fraction in _FRACTIONS.items():
        text = re.sub(rf"(?<=\d)\s?{char}", f" {fraction}", text).replace(char, fraction)
    text = re.sub(r"\b(sq|cu)\.\s?(?=ft\b|in\b|mi\b|km\b|m\b)", r"\1 ", text)
    text = re.sub(r"[°º]\s?(?=[CF]\b)", "°", text)
    text = _SCALED.sub(lambda found: f"{amount(found[1])} {_SCALES[found[2]]}", text)
    text = re.sub(rf"(?<=\d)['′]{_SHAPE}|(?<=x \d\d)'|(?<=x \d)'", " ft", text)
    text = re.sub(rf"(?<=\d)[\"″]{_SHAPE}", " in.", text)
    text = _HEIGHT.sub(lambda found: f"{cardinal(int(found[1]))} feet {cardinal(int(found[2]))} inches", text)
    text = _FRACTION.sub(_fraction, text)
    text = _SAME_UNIT.sub(lambda found: f"{amount(found[1])} to ", text)
    text = _RANGE.sub(lambda found: f"{amount(found[1])} to ", text)
    return _MEASURE.sub(_measure, text)


def _fraction(found: re.Match[str]) -> str:
    whole, top, bottom = found[1], int(found[2]), int(found[3])
    if bottom < 2 or (top >= bottom and not whole) or bottom not in (*range(2, 11), 12, 16, 20, 32, 50, 64, 100):
        return found[0]
    names = {2: "half", 4: "quarter"}
    name = names.get(bottom, ordinal(bottom))
    several = "halves" if bottom == 2 else f"{name}s"
    words = f"{cardinal(top)} {name if top == 1 else several}"
    if not whole:
        return words
    return f"{cardinal(int(whole))} and {f'a {name}' if top == 1 and bottom in names else words}"


def _measure(found: re.Match[str]) -> str:
    minus, number, space, unit, per, stop = found.groups()
    after = found.string[found.end() :].lstrip()[:1]
    if unit == "in" and not stop:  # "5 in the room"
        return found[0]
    if unit in ("W", "V", "l", "L", "g") and space and stop:  # an initial
        return found[0]
    # The full stop of an abbreviation goes with it where the sentence continues.
    continues = after.islower() or after == "(" or (after.isdigit() and unit in ("ft", "lb", "lbs", "hr", "hrs", "min"))
    end = f" per {_PER[per]}" if per else ""
    end += stop if stop and not continues else ""
    one, several = _ALL[unit]
    return f"{'minus ' if minus else ''}{amount(number)} {one if number == '1' else several}{end}"
