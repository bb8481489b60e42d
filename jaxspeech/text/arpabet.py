"""Writes the American English phonemes of eSpeak NG in ARPABET, and names letters, for words that CMUdict lacks.

həlˈoʊ -> HH AH0 L OW1        "FBI" -> EH1 F B IY1 AY1
"""

from jaxspeech.text.lexicon import Pronunciation

# Longest first where one begins another.
_VOWELS = {
    "ɜːɹ": "ER",
    "ɚɹ": "ER",
    "aɪɚ": "AY ER",
    "aɪə": "AY AH",
    "ɔːɹ": "AO R",
    "oːɹ": "AO R",
    "ɑːɹ": "AA R",
    "aɪ": "AY",
    "aʊ": "AW",
    "eɪ": "EY",
    "oʊ": "OW",
    "ɔɪ": "OY",
    "iə": "IY AH",
    "ɛɹ": "EH R",
    "ɪɹ": "IH R",
    "ʊɹ": "UH R",
    "iː": "IY",
    "uː": "UW",
    "ɑː": "AA",
    "ɔː": "AO",
    "ɜː": "ER",
    "oː": "AO",
    "əl": "AH L",
    "i": "IY",
    "u": "UW",
    "ɪ": "IH",
    "ᵻ": "IH",
    "ɛ": "EH",
    "æ": "AE",
    "ʌ": "AH",
    "ə": "AH",
    "ɐ": "AH",
    "ɚ": "ER",
    "ʊ": "UH",
    "ɑ": "AA",
    "ɔ": "AO",
    "a": "AA",
    "e": "EY",
    "o": "OW",
}
_CONSONANTS = {
    "tʃ": "CH",
    "dʒ": "JH",
    "n̩": "AH0 N",
    "l̩": "AH0 L",
    "θ": "TH",
    "ð": "DH",
    "ŋ": "NG",
    "ʃ": "SH",
    "ʒ": "ZH",
    "ɹ": "R",
    "ɾ": "T",
    "ʔ": "T",
    "j": "Y",
    "ɡ": "G",
    "h": "HH",
    "x": "K",
    "ç": "HH",
    "ɬ": "L",
} | {char: char.upper() for char in "bdfklmnprstvwz"}
_ALL = sorted([*_VOWELS, *_CONSONANTS], key=len, reverse=True)
_NAMES = (
    "EY1|B IY1|S IY1|D IY1|IY1|EH1 F|JH IY1|EY1 CH|AY1|JH EY1|K EY1|EH1 L|EH1 M|EH1 N|OW1|P IY1|K Y UW1|AA1 R|EH1 S|"
    "T IY1|Y UW1|V IY1|D AH1 B AH0 L Y UW0|EH1 K S|W AY1|Z IY1"
)
LETTER_NAMES = dict(zip("abcdefghijklmnopqrstuvwxyz", _NAMES.split("|"), strict=True))


def arpabet_of_ipa(phonemes: str) -> Pronunciation:
    """Returns the ARPABET of eSpeak's American phonemes; a vowel after ˈ has stress 1, after ˌ 2. Others have none."""
    symbols: list[str] = []
    degree, place = "0", 0
    while place < len(phonemes):
        char = phonemes[place]
        found = next((known for known in _ALL if phonemes.startswith(known, place)), "")
        place += len(found) or 1
        if char in "ˈˌ":
            degree = "1" if char == "ˈ" else "2"
        elif found in _CONSONANTS:
            symbols += _CONSONANTS[found].split(" ")
        elif found:
            for number, symbol in enumerate(_VOWELS[found].split(" ")):
                vowel = symbol not in ("R", "L")
                symbols.append(f"{symbol}{degree if not number else '0'}" if vowel else symbol)
            degree = "0"
    return tuple(symbols)


def letter_by_letter(word: str) -> Pronunciation:
    """Returns the names of a word's letters, without what is no English letter."""
    return tuple(symbol for char in word.lower() for symbol in LETTER_NAMES.get(char, "").split(" ") if symbol)
