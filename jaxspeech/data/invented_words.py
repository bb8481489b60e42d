"""Invents words that nobody has heard, spelt so that an English reader says them as they were meant.

A word is one to four syllables; a syllable has letters before its vowel, the vowel's letters, and letters after it, and
many words end as English names and nouns do. There are millions, in the letter patterns of English.
"""

import random
from collections.abc import Container


def _weighted(*groups: tuple[int, str]) -> dict[str, int]:
    return {letters: weight for weight, listed in groups for letters in listed.split()}


# Groups of letters, each with how often it is drawn.
ONSETS = _weighted(
    (6, "b d f h l m n p r s t"),
    (4, "c g j k v w"),
    (2, "br ch cl cr dr fl fr gr pr sh st th tr"),
    (1, "bl gl ph pl qu sc sk sl sm sn sp str sw tw wh y z"),
)
MIDDLES = _weighted(
    (4, "b c d f g l m n p r s t v"),
    (2, "ll nn rr ss tt nd nt mb st ld rd rt lt mp nk nc lf rn rm"),
    (1, "bb dd ff gg mm pp ck ch sh th ph x z tch ndr ngt nst str tz k w"),
)
VOWELS = _weighted(
    (12, "a e i o u"),
    (2, "ar er or ea ee ai oo ou"),
    (1, "au aw ay ei ie ia io eo ir oa ow oy ur y"),
)
CODAS = {"": 4} | _weighted(
    (4, "n l r s t d m"),
    (2, "b p g ck st nd nt ng ld ll rd rn rt sh th x"),
    (1, "ct ff ft lk lm lt mp nk rk rm sk ss tch wn ze ve"),
)
# Of names and nouns; a few are there twice, and so twice as often.
ENDINGS = """
    a ia ina ena ella ette elle ine ene ise ice ica isa ora ara anda enda ania y ie ey ley by ry ty dy o io ino ello
    us is es as an en in on ian ien iel ael uel am em um er or ar eth ath ert ard art ick ic ock ander aron
    ton ham ford field wood land ley well worth bury shire stone bridge brook mont more man son gate wick mouth port
    burn house dale hill ast est ist ant ent ite ote ate ade ide ore orne aft oft age ine ow ew aw ess
"""
_ENDINGS = tuple(ENDINGS.split())


def invented_word(rng: random.Random, taken: Container[str] = ()) -> str:
    """Returns a word of 3 to 12 letters that is not in `taken`."""
    while True:
        syllables = rng.choices((1, 2, 3, 4), (3, 8, 6, 2))[0]
        ends = syllables > 1 and rng.random() < 0.6
        parts = ["" if rng.random() < 0.15 else _draw(rng, ONSETS), _draw(rng, VOWELS)]
        for _ in range(syllables - 1 - ends):
            parts += [_draw(rng, MIDDLES), _draw(rng, VOWELS)]
        parts += [_draw(rng, MIDDLES), rng.choice(_ENDINGS)] if ends else [_draw(rng, CODAS)]
        word = "".join(parts)
        if 3 <= len(word) <= 12 and word not in taken and _can_be_read(word):
            return word


def _draw(rng: random.Random, groups: dict[str, int]) -> str:
    return rng.choices(tuple(groups), tuple(groups.values()))[0]


def _can_be_read(word: str) -> bool:
    """Whether no more than three consonants or two vowels follow one another."""
    kinds = "".join("v" if letter in "aeiou" else "c" for letter in word)
    return "vvv" not in kinds and "cccc" not in kinds
