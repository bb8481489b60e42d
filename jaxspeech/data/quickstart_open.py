"""Makes the quickstart's corpus with invented words, so that a recogniser learns to spell what it hears.

    jaxspeech prepare quickstart_open         # data/quickstart_open

The plain corpus has about 170 words, which a model soon knows by heart: it writes one of them for any sound. Here two
thirds of the training sentences have invented words (invented_words.py) in the places of persons, places, things and
other nouns, or are nothing but such words: 11 hours with 19,000 words. The evaluation has two parts: "dev", plain
sentences, and "new_words", sentences with invented words that do not occur in training. Its voices and sentences do not
occur in training either.
"""

import random
import re
import sys
from collections.abc import Iterator

from jaxspeech.data.invented_words import invented_word
from jaxspeech.data.quickstart import UNHEARD_ACCENT, split_variants
from jaxspeech.data.sentences import SLOTS, TEMPLATES, sentence
from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_manner, draw_voice

# Of the training sentences: that have invented words, and of these that have no others.
OPEN_SHARE = 0.65
WORDS_ALONE = 0.25
# The places in which one is said instead of a word of the list, and how often.
NOUNS = {"color", "device", "food", "person", "place", "room", "thing", "vehicle", "weather"}
IN_A_PLACE = 0.6
# Words per minute: what nobody has heard is said more slowly than the plain sentences.
MOST_RATE = 180
KNOWN = frozenset(re.findall(r"\w+", " ".join((*TEMPLATES, *(text for texts in SLOTS.values() for text in texts)))))
# Nouns and verbs that are invented now and then, and which measurements take for unheard (benchmarks/other_domain.py).
UNHEARD = """
    attic bakery basket castle cellar cousin empty farmer fence ferry fold frost ginger hail hammer harbor helmet honey
    ladder lawn lawyer lemons mow museum nurse onions oven paint pepper polish salmon silver stairs studio sweep temple
    tram uncle vacuum violin yogurt
"""


def open_sentence(rng: random.Random, taken: frozenset[str] = KNOWN) -> str:
    """Returns a random sentence with invented words, none of which is in `taken`; a person may be a name."""
    if rng.random() < WORDS_ALONE:
        return " ".join(invented_word(rng, taken) for _ in range(rng.randint(2, 4)))

    def said(slot: re.Match) -> str:
        kind = slot[1]
        if kind == "name" or (kind in NOUNS and rng.random() < IN_A_PLACE):
            return invented_word(rng, taken)
        return rng.choice(SLOTS[kind])

    while True:
        template = rng.choice(TEMPLATES)
        if rng.random() < 0.7:
            template = template.replace("{article} {person}", "{name}")
        text = re.sub(r"\{(\w+)\}", said, template)
        if not KNOWN.issuperset(text.split()):
            return text


def plan(variants: dict[str, str], *, train: int, dev: int, new_words: int) -> dict[str, list[Utterance]]:
    """Plan every utterance.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of training utterances.
      dev: number of evaluation utterances of the plain corpus' kind.
      new_words: number of evaluation utterances with invented words.
    """
    heard, unheard = split_variants(variants)
    accents = (*ACCENTS, UNHEARD_ACCENT)
    plain = list(_utterances("dev", dev, unheard, accents, frozenset(), share=0.0))
    unknown = list(_utterances("new_words", new_words, unheard, accents, frozenset(), share=1.0))
    taken = frozenset(utterance.text for utterance in (*plain, *unknown))
    training = _utterances("train", train, heard, ACCENTS, taken, share=OPEN_SHARE, invented=INVENTED_SHARE)
    return {"train": list(training), "dev": plain, "new_words": unknown}


def _utterances(
    part: str,
    count: int,
    variants: list[str],
    accents: tuple[str, ...],
    taken: frozenset[str],
    *,
    share: float,
    invented: float = 0.0,
) -> Iterator[Utterance]:
    """Plans utterances, a share of which have invented words; no sentence or invented word of them is in `taken`."""
    words = KNOWN.union(UNHEARD.split(), *(text.split() for text in taken))
    for i in range(count):
        rng = random.Random(f"open {part} {i}")  # per utterance, so that a larger corpus starts like a smaller one
        has_words = rng.random() < share
        text = open_sentence(rng, words) if has_words else sentence(rng)
        while text in taken:
            text = sentence(rng)
        yield Utterance(
            name=f"{part}/{i:05d}",
            text=text,
            voice=draw_voice(rng, i, accents=accents, variants=variants, invented=invented),
            **draw_manner(rng, most_rate=MOST_RATE),
        )


QUICKSTART_OPEN = SpokenCorpus(
    name="quickstart_open",
    module="jaxspeech.data.quickstart_open",
    version=1,
    sample_rate=16000,
    sizes={"train": 16000, "dev": 150, "new_words": 150},
    plan=plan,
)

if __name__ == "__main__":
    sys.exit(QUICKSTART_OPEN.main())
