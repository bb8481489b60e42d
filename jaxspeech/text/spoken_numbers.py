"""Writes numbers in English words, as they are spoken.

    cardinal  6439 -> "six thousand, four hundred thirty-nine"      ordinal  31 -> "thirty-first"
    year      1807 -> "eighteen oh seven"                           pairs   249 -> "two forty-nine"
    digits   "2915" -> "two nine one five"                          decimal "8.25" -> "eight point two five"

American usage: no "and", and a comma after thousands where hundreds follow, as in the texts of LJ Speech.
"""

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_ONES = _UNITS.split(" ")
_DECADES = "- - twenty thirty forty fifty sixty seventy eighty ninety"
_TENS = _DECADES.split(" ")
_GROUPS = ("", "thousand", "million", "billion", "trillion", "quadrillion")
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_LARGEST = 1000 ** len(_GROUPS)


def cardinal(number: int) -> str:
    """Returns a number in words; beyond the quadrillions, its digits."""
    if number < 0:
        return f"minus {cardinal(-number)}"
    if number >= _LARGEST:
        return digits(str(number))
    groups, rest = [], number
    while rest:
        groups.append(rest % 1000)
        rest //= 1000
    words = ""
    for place in reversed(range(len(groups))):
        if groups[place]:
            # "one thousand two hundred", but "two thousand, two hundred" and "two thousand two".
            comma = "," if groups[place] >= 100 and number >= 2000 else ""
            words += f"{comma if words else ''} {_below_thousand(groups[place])} {_GROUPS[place]}".rstrip()
    return words.strip() or _ONES[0]


def ordinal(number: int) -> str:
    """Returns first, second, ..., twenty-first, one hundredth."""
    words = cardinal(number)
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[cut:]
    if last in _ORDINALS:
        return words[:cut] + _ORDINALS[last]
    return words[:cut] + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year(number: int) -> str:
    """Returns a year: eighteen oh seven, nineteen hundred, two thousand nine, twenty twenty-four, five thirty-eight."""
    if number < 100 or (number % 1000 < 10 and number >= 1000) or number >= 10000:
        return cardinal(number)
    return pairs(number)


def pairs(number: int) -> str:
    """Returns a number of three or four digits in two parts: two forty-nine, ten twenty-six, three oh five."""
    high, low = divmod(number, 100)
    if not 1 <= high <= 99:
        return cardinal(number)
    if not low:
        return cardinal(number) if high % 10 == 0 else f"{cardinal(high)} hundred"
    return f"{cardinal(high)} {f'oh {_ONES[low]}' if low < 10 else cardinal(low)}"


def hundreds(number: int) -> str:
    """Returns an amount: fifteen hundred, but otherwise the cardinal number."""
    return pairs(number) if 1000 < number < 2000 and number % 100 == 0 else cardinal(number)


def digits(text: str, *, zero: str = "zero") -> str:
    """Returns each digit of a text in words; the rest is left out."""
    return " ".join(zero if char == "0" else _ONES[int(char)] for char in text if char in "0123456789")


def decimal(text: str) -> str:
    """Returns a number with a decimal point: "8.25", ".5", "0.05"."""
    whole, _, part = text.partition(".")
    words = cardinal(int(whole)) if whole else ""
    return f"{words} point {digits(part)}".strip() if part else words


def plural(word: str) -> str:
    """Returns the plural of a number in words: sixties, hundreds, ones, sixes."""
    if word.endswith("y"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("x") else f"{word}s"


def _below_thousand(number: int) -> str:
    high, low = divmod(number, 100)
    hundred = f"{_ONES[high]} hundred" if high else ""
    rest = _ONES[low] if 0 < low < 20 else (f"{_TENS[low // 10]}-{_ONES[low % 10]}" if low % 10 else _TENS[low // 10])
    return f"{hundred} {rest if low else ''}".strip()


_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def roman(text: str) -> int:
    """Returns the value of a Roman numeral, 0 if it is none in the usual form."""
    values = [_ROMAN.get(char, 0) for char in text]
    number = sum(
        -value if value < following else value for value, following in zip(values, [*values[1:], 0], strict=True)
    )
    return number if values and min(values) and _in_roman(number) == text else 0


def _in_roman(number: int) -> str:
    signs = ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"]
    steps = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1]
    written = ""
    for step, sign in zip(steps, signs, strict=True):
        written += sign * (number // step)
        number %= step
    return written
