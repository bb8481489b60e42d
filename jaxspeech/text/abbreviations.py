"""Writes English abbreviations and Roman numerals out: "Dr. Smith" is "Doctor Smith", "Henry IV" "Henry the fourth".

Initials and other abbreviations that are spoken letter by letter ("U.S.", "p.m.", "FBI") stay as they are.
"""

import re
from collections.abc import Iterable, Mapping

from jaxspeech.text.spoken_numbers import cardinal, ordinal, roman

_YEAR = "January February March April May June July August September October November December"
MONTHS = _YEAR.split(" ")
_WEEK = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
# Before a name: a capital must follow.
_TITLES = {
    "Mr": "Mister",
    "Mrs": "Missus",
    "Ms": "Miz",
    "Messrs": "Messrs",
    "Dr": "Doctor",
    "Drs": "Doctors",
    "Prof": "Professor",
    "Rev": "Reverend",
    "Hon": "Honorable",
    "Gen": "General",
    "Col": "Colonel",
    "Maj": "Major",
    "Capt": "Captain",
    "Cmdr": "Commander",
    "Lt": "Lieutenant",
    "Sgt": "Sergeant",
    "Cpl": "Corporal",
    "Pvt": "Private",
    "Adm": "Admiral",
    "Gov": "Governor",
    "Sen": "Senator",
    "Rep": "Representative",
    "Pres": "President",
    "Supt": "Superintendent",
    "Ft": "Fort",
    "Mt": "Mount",
    "St": "Saint",
}
# After a name or anywhere, with the full stop.
_WORDS = {
    "Jr": "Junior",
    "Sr": "Senior",
    "Esq": "Esquire",
    "Co": "Company",
    "Inc": "Incorporated",
    "Ltd": "Limited",
    "Corp": "Corporation",
    "Bros": "Brothers",
    "Dept": "Department",
    "Govt": "Government",
    "Univ": "University",
    "Assn": "Association",
    "Ave": "Avenue",
    "Blvd": "Boulevard",
    "Rd": "Road",
    "Hwy": "Highway",
    "Pkwy": "Parkway",
    "Apt": "Apartment",
    "etc": "et cetera",
    "vs": "versus",
    "approx": "approximately",
    "est": "established",
    "viz": "namely",
    "cf": "compare",
    "ca": "circa",
    "incl": "including",
    "min": "minimum",
    "max": "maximum",
    "tel": "telephone",
}
# Before a number.
_NUMBERED = {
    "No": "Number",
    "no": "number",
    "Nos": "Numbers",
    "nos": "numbers",
    "Vol": "Volume",
    "vol": "volume",
    "Vols": "Volumes",
    "Fig": "Figure",
    "fig": "figure",
    "Figs": "Figures",
    "Ch": "Chapter",
    "ch": "chapter",
    "Chap": "Chapter",
    "Sec": "Section",
    "sec": "section",
    "Art": "Article",
    "art": "article",
    "pp": "pages",
    "pg": "page",
    "p": "page",
    "Pt": "Part",
    "Bk": "Book",
    "Ex": "Exhibit",
    "Eq": "Equation",
    "eq": "equation",
    "Rte": "Route",
}
_MONTHS = {month[:3]: month for month in MONTHS if month != "May"} | {"Sept": "September"}
_DAYS = {day[:3]: day for day in _WEEK.split(" ")} | {"Tues": "Tuesday", "Thurs": "Thursday"}
_STREETS = {"St": "Street", "Dr": "Drive", "Ln": "Lane", "Pl": "Place", "Ct": "Court", "Sq": "Square"}
_LATIN = {"e.g.": "for example", "i.e.": "that is"}
_REGNAL = (
    "Charles George Henry James William Edward Richard Louis Napoleon Nebuchadnezzar Frederick Philip Francis "
    "Pius Paul Elizabeth Mary Catherine Alexander Nicholas Peter Leo Innocent Gregory Clement Benedict Urban "
    "Victoria Ivan Gustav Christian Otto Ferdinand Alfonso Pedro Ramses Rameses Darius Xerxes Artaxerxes Cyrus "
    "Ptolemy Wilhelm Friedrich Leopold Albert Victor Carlos Juan Felipe John Stephen Robert David Malcolm "
    "Margaret Anne Isabella Joseph Umberto Haakon Olav Harald Sixtus Boniface Julius Adrian Celestine Eugene "
    "Martin Nerva Theodosius Constantine Justinian Mehmed Suleiman Murad Selim Abbas Rudolf Rudolph Maximilian "
    "Matthias Sigismund Ladislaus Casimir Augustus"
)
_MONARCHS = frozenset(_REGNAL.split(" "))
# What a Roman numeral counts rather than orders.
_HEADINGS = (
    "Chapter Part Section Volume Book Act Scene Article Title Type Phase Appendix Figure Table Class Mark Stage "
    "Unit Level Grade Group Division Category Canto Psalm Lesson Exhibit Plate Map Bowl War Rocky Rambo Apollo "
    "Gemini Saturn Version Episode Series Symphony Opus Factor Schedule Annex Amendment Count Region Zone Corps "
    "Army Block Windows Final Fantasy"
)
_COUNTED = frozenset(_HEADINGS.split(" "))


_HEADING = "chapter|part|section|volume|book|act|scene"
_NUMERAL = re.compile(rf"\b([A-Z][\w’']*[a-z]|[A-Z]\.|{_HEADING}) ([IVXLC]+)\b(['’]s)?(\.(?!\w))?(?=\W*(\w?))")


def expand_abbreviations(text: str) -> str:
    """Returns a text with those abbreviations written out that have one reading where they stand.

    A full stop after one goes with it, but not at the end of the text.
    """
    for pattern, table in _RULES:
        text = pattern.sub(lambda found, table=table: _written(found, table), text)
    return text


def _written(found: re.Match[str], table: Mapping[str, str]) -> str:
    at_end = found[0].rstrip().endswith(".") and not found.string[found.end() :].strip("\"'”’ \n")
    return f"{table[found['short']]}{'.' if at_end else ''}"


def expand_roman(text: str) -> str:
    """Returns a text with Roman numerals after names and headings in words: "Henry VIII", "Chapter IV".

    A full stop after an ordinal one goes with it, as in "George III. reigned", but not at the end of the text.
    """
    return _NUMERAL.sub(_numeral, text)


def _numeral(found: re.Match[str]) -> str:
    name, numeral, possessive, stop, following = (part or "" for part in found.groups())
    number, counted = roman(numeral), name.capitalize() in _COUNTED
    if not 0 < number < 60:
        return found[0]
    if numeral == "I" and name.islower() and not stop and following.islower():
        return found[0]
    # "Robert I. Bouck" has an initial, "Then Charles I think" the pronoun.
    if len(numeral) == 1 and not counted:
        pronoun = numeral == "I" and not stop and not possessive and following.islower()
        initial = following.isupper() and found.string[found.end() : found.end() + 1] not in (",", ";", ":", ")")
        if name not in _MONARCHS or numeral not in "IVX" or initial or pronoun:
            return found[0]
    if counted:
        return f"{name} {cardinal(number)}{possessive}{stop}"
    return f"{name} the {ordinal(number)}{possessive}{'' if following else stop}"


def _one_of(table: Iterable[str]) -> str:
    return f"(?P<short>{'|'.join(sorted(map(re.escape, table), key=len, reverse=True))})"


# In this order: what is a street's or a number's is no title.
_RULES: tuple[tuple[re.Pattern[str], Mapping[str, str]], ...] = (
    (re.compile(rf"(?<![\w.]){_one_of(_LATIN)}"), _LATIN),
    (re.compile(r"\b(?P<short>w/o?)(?=\s|$)"), {"w/": "with", "w/o": "without"}),
    (re.compile(rf"\b{_one_of(_NUMBERED)}\.(?=\s?#?[A-Z]{{0,3}}-?\d|\s[IVXLC]+\b)"), _NUMBERED),
    (re.compile(r"\b(?P<short>c)\.(?= ?\d{3,4}\b)"), {"c": "circa"}),
    (re.compile(rf"(?<=[a-z] ){_one_of(_STREETS)}\.(?!\s*[A-Z\"“])(?!\w)"), _STREETS),
    (re.compile(rf"(?:(?<=\dth )|(?<=\dst )|(?<=\dnd )|(?<=\drd )){_one_of(_STREETS)}\.(?!\w)"), _STREETS),
    (re.compile(rf"\b{_one_of(_TITLES)}\.(?=\s?[A-Z\"“'‘])"), _TITLES),
    (re.compile(r"\b(?P<short>Mr|Mrs|Ms|Dr)(?= [A-Z][a-z])"), _TITLES),
    (re.compile(rf"\b{_one_of(_MONTHS)}\b\.?(?= \d{{1,2}}(?:st|nd|rd|th)?\b(?!:))"), _MONTHS),
    (re.compile(rf"(?<=\d ){_one_of(_MONTHS)}\b\.?(?= \d{{4}}\b)"), _MONTHS),
    (re.compile(rf"\b{_one_of(_DAYS)}\.(?=,? [A-Z\d])"), _DAYS),
    (re.compile(rf"(?<!\d )(?<!\d)\b{_one_of(_WORDS)}\.(?!\w)"), _WORDS),
)
