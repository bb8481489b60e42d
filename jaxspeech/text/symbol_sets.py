"""Lists of symbols for voices: English letters, ARPABET, the International Phonetic Alphabet (IPA).

The order is NeMo's, so that ids agree with those of its checkpoints (common/tokenizers/text_to_speech).
"""

import string
from collections.abc import Iterable

from jaxspeech.text.symbols import BLANK, PAD, SPACE, UNKNOWN

APOSTROPHE = "'"
PUNCTUATION = (",", ".", "!", "?", "-", ":", ";", "/", '"', "(", ")", "[", "]", "{", "}")
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
VOWELS, CONSONANTS = tuple(_VOWELS.split(" ")), tuple(_CONSONANTS.split(" "))
STRESS = ("ˈ", "ˌ")
# What eSpeak NG writes in any of its languages, and its marks of length, tone and articulation.
ESPEAK = tuple(
    "abcdefhijklmnopqrstuvwxyzæçðøħŋœɐɑɒɓɔɕɖɗɘəɚɛɜɝɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʝʟʡʢ"
    "ANSXZgäʦεβθχΦᵊᵝᵻⱱˈˌːˑʰʱʲʷʼˀˠˤ˞ˡⁿ"
    + "\u0303\u0329\u032a\u031d\u031e\u031f\u0320\u0325\u032f\u0306\u0308\u030a\u0361\u033a\u033b`^#"
    + "˥˦˧˨˩↑↓1234567"
)


def with_special(symbols: Iterable[str], *, blank: str = "") -> tuple[str, ...]:
    """Returns a list of symbols with the special ones after it.

    Args:
      symbols: all others.
      blank: where a blank comes, which recognisers need: "" nowhere, "after" the padding, or "last".
    """
    special = {"": (PAD, UNKNOWN), "after": (PAD, BLANK, UNKNOWN), "last": (PAD, UNKNOWN, BLANK)}
    return (*symbols, *special[blank])


def english_letters(
    *, punctuation: Iterable[str] = PUNCTUATION, apostrophe: bool = True, blank: str = ""
) -> tuple[str, ...]:
    """Returns the list of NeMo's EnglishCharsTokenizer."""
    return letters(string.ascii_lowercase, punctuation=punctuation, apostrophe=apostrophe, blank=blank)


def letters(
    alphabet: Iterable[str], *, punctuation: Iterable[str] = PUNCTUATION, apostrophe: bool = True, blank: str = ""
) -> tuple[str, ...]:
    """Returns a list with the letters of any language."""
    return with_special([SPACE, *alphabet, *[APOSTROPHE][: int(apostrophe)], *punctuation], blank=blank)


def arpabet(
    *,
    stress: bool = True,
    letters: bool = True,
    silence: str = "",
    punctuation: Iterable[str] = PUNCTUATION,
    apostrophe: bool = True,
    blank: str = "",
) -> tuple[str, ...]:
    """Returns the list of NeMo's EnglishPhonemesTokenizer.

    Args:
      stress: whether vowels are AH0, AH1 and AH2 rather than AH.
      letters: whether words without a pronunciation can be spelt in small letters.
      silence: a symbol of silence, NeMo's "<sil>".
      punctuation: its marks.
      apostrophe: whether there is one.
      blank: see `with_special`.
    """
    vowels = [f"{vowel}{degree}" for vowel in VOWELS for degree in "012"] if stress else VOWELS
    spelling = string.ascii_lowercase if letters else ""
    symbols = [SPACE, *[silence][: bool(silence)], *CONSONANTS, *vowels, *spelling, *[APOSTROPHE][: int(apostrophe)]]
    return with_special([*symbols, *punctuation], blank=blank)


def ipa(
    phonemes: Iterable[str],
    *,
    silence: str = "",
    punctuation: Iterable[str] = PUNCTUATION,
    apostrophe: bool = False,
    blank: str = "",
) -> tuple[str, ...]:
    """Returns the list of NeMo's IPATokenizer: sorted, then the space, unless a pronunciation has one.

    Args:
      phonemes: of the pronunciations, and letters if words without one are spelt.
      silence: a symbol of silence.
      punctuation: its marks.
      apostrophe: whether there is one.
      blank: see `with_special`.
    """
    symbols = sorted({*phonemes, *[APOSTROPHE][: int(apostrophe)], *punctuation})
    space = [] if SPACE in symbols else [SPACE]
    return with_special([*symbols, *space, *[silence][: bool(silence)]], blank=blank)
