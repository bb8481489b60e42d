"""Marks that end sentences and clauses, in every script.

Source: the Unicode property Sentence_Terminal, without U+2047, which SentencePiece writes for an unknown token, and
with Tibetan's strokes (shad).
"""

import unicodedata

_RANGES = """
0021 002E 003F 0589 061D-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 0F0D-0F12 104A-104B 1362 1367-1368 166E
1735-1736 1803 1809 17D4-17D5 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F 203C-203D 2048-2049
2CF9-2CFB 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB
FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1
11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642
1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44
16E98 1BC9F 1DA88
"""


def _characters(ranges: str) -> str:
    bounds = [[int(bound, 16) for bound in part.split("-")] for part in ranges.split()]
    return "".join(chr(code) for bound in bounds for code in range(bound[0], bound[-1] + 1))


SENTENCE_ENDS = _characters(_RANGES)
CLAUSE_ENDS = tuple(",;:—–、，；：､﹐﹑﹔﹕︐︑︓︔،؛՝፣፤፥߸᠂᠈꓾꘍")
# Quotes that open and close, and variation selectors.
SILENT = "\"'＂＇" + "".join(map(chr, range(0xFE00, 0xFE10)))


def without_closing(text: str) -> str:
    """The text without quotes, brackets and invisible characters at its end, which may follow the mark of an end."""
    end = len(text)
    while end and (text[end - 1] in SILENT or unicodedata.category(text[end - 1]) in ("Pe", "Pf", "Pi", "Cf")):
        end -= 1
    return text[:end]


def ends_sentence(text: str, marks: str = SENTENCE_ENDS) -> bool:
    """Whether a word ends with one of the marks; Greek's question mark, a semicolon, counts as "?"."""
    text = without_closing(text)
    if text.endswith((";", "\u037e")) and "?" in marks:
        return unicodedata.name(text[-2:-1] or " ", "").startswith("GREEK")
    return bool(text) and text[-1] in marks


def ends_clause(text: str) -> bool:
    """Whether a word ends with a comma, a colon or a similar mark."""
    return without_closing(text).endswith(CLAUSE_ENDS)
