"""Writes signs in English words, and typographic characters as the ordinary ones that voices know.

"R&D = 50" -> "R and D equals 50"      "she said — quickly" -> "she said, quickly"      "a@b.org" -> "a at b dot org"
"""

import re
import unicodedata

from jaxspeech.text.spoken_numbers import digits

# Full-width and other forms of characters, but not those whose ordinary form would be another sign.
_OTHER = re.compile("[^\x00-\xff⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞™…″′]+")
_PLAIN = str.maketrans(
    {
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "″": '"',
        "‘": "'",
        "’": "'",
        "‚": "'",
        "′": "'",
        "`": "'",
        "‐": "-",
        "‑": "-",
        "−": "-",
        "…": "...",
        "•": ",",
        "·": ",",
        "\u00a0": " ",
    }
)
# Written between spaces; the last ones only beside a word.
_SIGNS = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "×": "times",
    "÷": "divided by",
    "±": "plus or minus",
    "≈": "about",
    "≤": "at most",
    "≥": "at least",
    "<": "less than",
    ">": "greater than",
    "@": "at",
    "©": "copyright",
    "®": "registered",
    "™": "trademark",
    "§": "section",
    "¶": "paragraph",
    "%": "percent",
    "°": "degrees",
    "#": "number",
    "$": "dollar",
    "£": "pound",
    "€": "euro",
    "~": "about",
    "^": "to the power of",
    "\\": "backslash",
    "_": "underscore",
}
_SIGN = re.compile("|".join(map(re.escape, _SIGNS)))
_URL = re.compile(
    r"\b(?:https?://)?(?:[\w-]{1,63}\.){1,8}(?:com|org|net|edu|gov|mil|io|ai|co|uk|de|fr|info|dev|eu|tv)\b(?:/[\w./?=&%~+-]*\w)?/?"
)
_FILE = re.compile(r"\b(\w+)\.(txt|py|js|csv|json|exe|pdf|docx?|html?|md|jpe?g|png|zip|wav|mp3|yaml|toml)\b(?!\.\w)")
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,}\b")
_MARKS = {".": "dot", "/": "slash", "@": "at", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark"}


_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"


def ordinary(text: str) -> str:
    """Returns a text with straight quotes, and with commas for dashes between words."""
    if not text.isascii():
        text = _OTHER.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text).translate(_PLAIN)
    return _dashes(text)


def spoken_addresses(text: str) -> str:
    """Returns a text with addresses of mail and web pages in words."""
    text = _FILE.sub(r"\1 dot \2", text)
    text = _EMAIL.sub(lambda found: _address_in_words(found[0]), text)
    return _URL.sub(lambda found: _address_in_words(found[0]), text)


def spoken_signs(text: str) -> str:
    """Returns a text with its signs in words."""
    text = text.replace("*", " ").replace("²", " squared").replace("³", " cubed")
    text = _SIGN.sub(lambda found: f" {_SIGNS[found[0]]} ", text)
    return re.sub(r"(?<=\w) +(?=[.,;!?](?:\s|$))", "", text)


def _dashes(text: str) -> str:
    """A dash between words is a comma's pause; between digits it means "to", and stays."""
    text = re.sub(r"\s*(?:—|―|--++)\s*(?=[.,;:!?])", "", text)
    text = re.sub(r"^\s*(?:—|―|--+|,)\s*", "", text)
    text = re.sub(rf"(?<=\d)\s*[-–—]\s*(?=(?:{_MONTH})[a-z]*\.? \d)", " to ", text)
    text = re.sub(r"\s*(?:—|―|(?<!-)--++)\s*|\s+[-–]\s+(?!\d)|(?<!\d)\s+[-–]\s+", ", ", text)
    return re.sub(r"(?<!\d)–|–(?!\d)", "-", text)


def _address_in_words(text: str) -> str:
    text = re.sub(r"^https?://", "", text).rstrip("/")
    words = [
        f" {_MARKS[part]} " if part in _MARKS else f" {digits(part)} " if part.isdigit() else part
        for part in re.split(r"([./@\-_:?]|\d+)", text)
        if part
    ]
    return " ".join("".join(words).replace("www", "w w w").split())
