"""The quickstart corpus: everyday sentences spoken by eSpeak NG, made on the spot in well under a minute.

    jaxspeech prepare quickstart              # data/quickstart

writes 16 kHz FLAC files and the manifests `train.jsonl` and `dev.jsonl`: about 5.5 hours of training speech and nine
minutes for evaluation. The evaluation part is spoken by variants that training never hears, one accent of it is
unheard too, and so is each of its sentences. Most of the training part is spoken by invented variants.
"""

import random
import re
import sys
from collections.abc import Iterator

from jaxspeech.data.sentences import sentence
from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_voice

UNHEARD_ACCENT = "en-gb-x-rp"

# What makes a variant a stage effect rather than a person: Klatt's buzz, a whisper, a trembling or
# croaking voice, a strong echo, a roar. Such variants are trained on but never evaluated on: people do not always
# understand them either.
_EFFECT = re.compile(
    r"^\s*(klatt|breath\s+[1-9]\d|flutter\s+[2-9]\d|echo\s+\d+\s+[1-9]\d\d|roughness\s+([5-9]|\d\d))",
    re.MULTILINE,
)


def plan(variants: dict[str, str], *, train: int, dev: int) -> dict[str, list[Utterance]]:
    """Decides every utterance of both parts: what is said, by whom and how.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of training utterances.
      dev: number of evaluation utterances.
    """
    heard, unheard = split_variants(variants)
    taken: set[str] = set()
    evaluation = list(_utterances("dev", dev, unheard, (*ACCENTS, UNHEARD_ACCENT), taken))
    taken = {utterance.text for utterance in evaluation}
    training = _utterances("train", train, heard, ACCENTS, taken, invented=INVENTED_SHARE)
    return {"train": list(training), "dev": evaluation}


def split_variants(variants: dict[str, str]) -> tuple[list[str], list[str]]:
    """Variants for training, and those kept for evaluation: every fourth family of natural voices.

    "iven", "iven2" and "iven3" are one family, since they differ little; "m1" and "m2" are two people.
    """
    natural = {_family(name) for name, definition in variants.items() if not _EFFECT.search(definition)}
    kept = set(sorted(natural)[1::4])
    unheard = [
        name for name, definition in variants.items() if _family(name) in kept and not _EFFECT.search(definition)
    ]
    return [name for name in variants if _family(name) not in kept], unheard


def _family(variant: str) -> str:
    return re.sub(r"(?<=\w\w)\d+$", "", variant).lower()


def _utterances(
    part: str, count: int, variants: list[str], accents: tuple[str, ...], taken: set[str], *, invented: float = 0.0
) -> Iterator[Utterance]:
    for i in range(count):
        rng = random.Random(f"{part} {i}")  # of its own, so that a larger corpus starts like a smaller one
        text = sentence(rng)
        while text in taken:
            text = sentence(rng)
        yield Utterance(
            name=f"{part}/{i:05d}",
            text=text,
            voice=draw_voice(rng, i, accents=accents, variants=variants, invented=invented),
            rate=rng.randint(130, 190),
            pitch=rng.randint(30, 70),
            pitch_range=rng.randint(30, 70),
            silence=(rng.uniform(0.05, 0.3), rng.uniform(0.0, 0.1)),
            level_db=rng.uniform(-20.0, -1.0),
            snr_db=rng.uniform(15.0, 45.0),
            seed=rng.getrandbits(32),
        )


QUICKSTART = SpokenCorpus(
    name="quickstart",
    module="jaxspeech.data.quickstart",
    version=3,
    sample_rate=16000,
    sizes={"train": 8000, "dev": 200},
    plan=plan,
)

if __name__ == "__main__":
    sys.exit(QUICKSTART.main())
