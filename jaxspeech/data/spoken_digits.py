"""Makes a corpus of digits spoken by eSpeak NG: hundreds of voices, for a recipe whose recordings have few.

    jaxspeech prepare spoken_digits           # data/spoken_digits

writes 8 kHz FLAC files with one digit each, as in the Free Spoken Digit Dataset, and the manifest `train.jsonl`.
"""

import random
import sys

from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_voice

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def plan(variants: dict[str, str], *, train: int) -> dict[str, list[Utterance]]:
    """Plan every utterance: the digit, the voice and the manner.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of utterances.
    """
    names = list(variants)
    return {"train": [_utterance(i, names) for i in range(train)]}


def _utterance(i: int, variants: list[str]) -> Utterance:
    rng = random.Random(f"digit {i}")  # per utterance, so that a larger corpus starts like a smaller one
    return Utterance(
        name=f"train/{i:05d}",
        text=DIGITS[i % len(DIGITS)],
        voice=draw_voice(rng, i, accents=ACCENTS, variants=variants, invented=INVENTED_SHARE),
        rate=rng.randint(110, 200),
        pitch=rng.randint(30, 70),
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
    sizes={"train": 2000},
    plan=plan,
)

if __name__ == "__main__":
    sys.exit(SPOKEN_DIGITS.main())
