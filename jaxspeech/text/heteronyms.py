"""Chooses among the pronunciations of an English word by the words beside it: "they record a record", "he has read it".

Nouns and verbs differ in stress (REcord, reCORD), in the end of -ate (EY2 T, AH0 T), or in its voice (use: S, Z); a few
words are listed. Pronunciations are in ARPABET, as in CMUdict, the first of which counts where nothing decides.
"""

from collections.abc import Sequence

from jaxspeech.text.lexicon import Pronunciation

_BEFORE_VERBS = (
    "to will would can could shall should may might must not i you we they who let lets please do does did don't "
    "doesn't didn't won't wouldn't can't couldn't shouldn't cannot i'll you'll we'll they'll he'll she'll it'll "
    "i'd you'd we'd they'd never always often then help helped make made"
)
_VERB = frozenset(_BEFORE_VERBS.split(" "))
_THIRD = frozenset(["he", "she", "it", "who", "that", "which", "one", "nobody", "everyone", "someone"])
_DETERMINERS = "a an the this that these those my your his her its our their no any some each every of in for with by"
_NOUN = frozenset(_DETERMINERS.split(" "))
_OBJECTS = frozenset(["the", "a", "an", "it", "them", "him", "us", "me", "his", "their", "our", "my", "your", "these"])
_BEFORE_PAST = (
    "have has had having haven't hasn't hadn't i've you've we've they've was were be been being is are already "
    "just well widely"
)
_PERFECT = frozenset(_BEFORE_PAST.split(" "))
_NEAR = frozenset(["to", "by", "enough", "together", "behind", "at", "friend", "friends", "range", "quarters", "call"])
_STATES = frozenset(
    ["is", "was", "are", "were", "be", "been", "very", "too", "so", "as", "came", "come", "comes", "get"]
)
_STATES |= frozenset(["got", "stay", "stayed", "stood", "more", "quite", "a", "how", "draw", "drew", "in", "not"])
# Nouns, or adjectives, with the stress on the first syllable, and verbs with a later one.
_STRESS_PAIRS = (
    "record present object subject project produce conduct contract contrast conflict desert perfect permit rebel "
    "refuse progress protest insult increase decrease import export extract convict convert compound console "
    "digest discount escort incline insert invalid entrance upset transport transfer survey suspect segment relay "
    "attribute combine compress address content compact commune confines construct contest converse decline "
    "detail discharge essay exploit frequent impact impress imprint incense interchange intern misprint overlap "
    "prospect rampage recall recap refund rerun retake reject research torment affect ally"
)
_BY_STRESS = frozenset(_STRESS_PAIRS.split(" "))
_ATE_PAIRS = (
    "estimate separate moderate graduate duplicate delegate deliberate advocate alternate appropriate approximate "
    "articulate associate coordinate elaborate intimate subordinate animate aggregate predicate initiate "
    "degenerate affiliate"
)
_BY_ATE = frozenset(_ATE_PAIRS.split(" "))
_BY_VOICE = frozenset(["use", "house", "excuse", "abuse", "close", "misuse"])
_VOWELS = frozenset("AEIOU")


def in_context(
    word: str, prons: Sequence[Pronunciation], *, before: str = "", after: str = "", next_sound: str = ""
) -> Pronunciation:
    """Returns the pronunciation of a word.

    Args:
      word: in small letters.
      prons: its pronunciations, at least one.
      before, after: the words beside it in small letters, "" beyond a mark.
      next_sound: the first phoneme of the word after it, "" if it is unknown.
    """
    if word in ("the", "a"):
        return _first(prons, ("DH", "IY0") if word == "the" and next_sound[:1] in _VOWELS and next_sound else None) or (
            _first(prons, ("DH", "AH0") if word == "the" else ("AH0",)) or prons[0]
        )
    chosen = _listed(word, before, after)
    if chosen is not None:
        return tuple(chosen.split(" "))
    stem = word[:-1] if word.endswith("s") and word[:-1] in _BY_STRESS | _BY_ATE else word
    third = stem != word
    verb = before in (_THIRD if third else _VERB) or (after in _OBJECTS and before not in _NOUN)
    if stem in _BY_STRESS:
        return next((pron for pron in prons if _stressed_first(pron) != verb), prons[0])
    if stem in _BY_ATE:
        return next((pron for pron in prons if ("EY" in pron[-2 - third]) == verb), prons[0])
    if word in _BY_VOICE:
        if word == "close":
            verb = not (before in _STATES or after in _NEAR)
        elif word in ("use", "misuse", "excuse", "abuse"):
            verb = before not in _NOUN
        return next((pron for pron in prons if (pron[-1] == "Z") == verb), prons[0])
    return prons[0]


def _listed(word: str, before: str, after: str) -> str | None:
    """The words whose senses no rule above tells apart."""
    verb = before in _VERB
    if word == "read":
        return "R EH1 D" if before in _PERFECT else "R IY1 D"
    if word == "live":
        adjective = (before in ("a", "the", "some", "our", "more") and after != "") or after in (
            "music",
            "audience",
            "tv",
        )
        return "L AY1 V" if adjective else "L IH1 V"
    if word == "lives":
        return "L IH1 V Z" if before in _THIRD or after in ("in", "at", "on", "with") else "L AY1 V Z"
    if word in ("wind", "winds"):
        return ("W AY1 N D" if verb else "W IH1 N D") + (" Z" if word.endswith("s") else "")
    if word in ("tear", "tears"):
        torn = verb or before in ("wear",) or (word == "tears" and before in _THIRD)
        return ("T EH1 R" if torn else "T IH1 R") + (" Z" if word.endswith("s") else "")
    if word == "wound":
        return "W AW1 N D" if after in ("up", "around", "down", "through", "its", "it") else "W UW1 N D"
    if word == "lead":
        metal = after in ("pipe", "pipes", "paint", "bullet", "bullets", "pencil", "poisoning") or before in (
            "of",
            "molten",
        )
        return "L EH1 D" if metal else "L IY1 D"
    if word == "minute":
        return "M IH1 N AH0 T"
    if word == "does":
        return "D AH1 Z"
    return None


def _first(prons: Sequence[Pronunciation], wanted: tuple[str, ...] | None) -> Pronunciation | None:
    return next((pron for pron in prons if pron == wanted), None)


def _stressed_first(pron: Pronunciation) -> bool:
    degrees = [symbol[-1] for symbol in pron if symbol[-1].isdigit()]
    return bool(degrees) and degrees[0] == "1"
