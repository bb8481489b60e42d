"""Digits spoken by eSpeak NG: hundreds of voices for a recipe whose recordings have few.

    python -m jaxspeech.data.spoken_digits --output=data/spoken_digits

writes 8 kHz FLAC files and the manifest `train.jsonl`: one digit each, as the Free Spoken Digit Dataset. Half are read
from a spelling that stands for another accent ("seeks", "tree"); the transcript stays the digit.
"""

import random
import sys
from collections.abc import Iterator

from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_voice

# As eSpeak reads them: vowels and consonants that speakers of other languages use instead of the English ones.
SPELLINGS = {
    "zero": ("zero", "zeero", "zehro", "zairo"),
    "one": ("one", "wan", "wonn", "vun"),
    "two": ("two", "too", "tuh"),
    "three": ("three", "tree", "sree", "free", "thrih"),
    "four": ("four", "for", "fohr", "foor"),
    "five": ("five", "fife", "faiv", "fahv"),
    "six": ("six", "seeks", "sicks", "sex"),
    "seven": ("seven", "sevvin", "saven", "sefen"),
    "eight": ("eight", "ate", "ett", "aight"),
    "nine": ("nine", "nain", "nahn", "noin"),
}
FOREIGN_SHARE = 0.5


def plan(variants: dict[str, str], *, train: int) -> dict[str, list[Utterance]]:
    """Decides every utterance: which digit, by whom and how.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of utterances.
    """
    return {"train": list(_utterances(train, list(variants)))}


def _utterances(count: int, variants: list[str]) -> Iterator[Utterance]:
    digits = list(SPELLINGS)
    for i in range(count):
        rng = random.Random(f"digit {i}")  # of its own, so that a larger corpus starts like a smaller one
        text = digits[i % len(digits)]
        yield Utterance(
            name=f"train/{i:05d}",
            text=text,
            spelling=rng.choice(SPELLINGS[text]) if rng.random() < FOREIGN_SHARE else text,
            voice=draw_voice(rng, i, accents=ACCENTS, variants=variants, invented=INVENTED_SHARE),
            rate=rng.randint(100, 220),
            pitch=rng.randint(20, 80),
            pitch_range=rng.randint(20, 80),
            silence=(rng.uniform(0.0, 0.1), rng.uniform(0.0, 0.05)),
            level_db=rng.uniform(-20.0, -1.0),
            snr_db=rng.uniform(30.0, 60.0),
            seed=rng.getrandbits(32),
        )


SPOKEN_DIGITS = SpokenCorpus(
    name="spoken_digits",
    module="jaxspeech.data.spoken_digits",
    version=1,
    sample_rate=8000,
    sizes={"train": 4000},
    plan=plan,
)

if __name__ == "__main__":
    sys.exit(SPOKEN_DIGITS.main())
