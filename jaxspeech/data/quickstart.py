"""Makes the quickstart corpus: everyday sentences spoken by eSpeak NG, in well under a minute.

    jaxspeech prepare quickstart              # data/quickstart

writes 16 kHz FLAC files and the manifests `train.jsonl` and `dev.jsonl`: about 5.5 hours of training speech and nine
minutes for evaluation. The speaker variants, the sentences and one accent of the evaluation part do not occur in
training. Most of the training part is spoken by invented variants.
"""

import random
import re
import sys
from collections.abc import Iterator

from jaxspeech.data.sentences import sentence
from jaxspeech.data.spoken import ACCENTS, INVENTED_SHARE, SpokenCorpus, Utterance, draw_manner, draw_voice

UNHEARD_ACCENT = "en-gb-x-rp"

# Definitions of variants that are stage effects rather than voices of people: Klatt's buzz, a whisper, a trembling or
# croaking voice, a strong echo, a roar. They are used for training but not for evaluation: people do not always
# understand them either.
EFFECT = re.compile(
    r"^\s*(klatt|breath\s+[1-9]\d|flutter\s+[2-9]\d|echo\s+\d+\s+[1-9]\d\d|roughness\s+([5-9]|\d\d))",
    re.MULTILINE,
)


def plan(variants: dict[str, str], *, train: int, dev: int) -> dict[str, list[Utterance]]:
    """Plan every utterance of both parts: the text, the voice and the manner.

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
    """Split the variants into those for training and those for evaluation: every fourth family of natural voices.

    "iven", "iven2" and "iven3" are one family, as they differ little; "m1" and "m2" are two speakers.
    """
    natural = {_family(name) for name, definition in variants.items() if not EFFECT.search(definition)}
    kept = set(sorted(natural)[1::4])
    unheard = [name for name, definition in variants.items() if _family(name) in kept and not EFFECT.search(definition)]
    return [name for name in variants if _family(name) not in kept], unheard


def _family(variant: str) -> str:
    return re.sub(r"(?<=\w\w)\d+$", "", variant).lower()


def _utterances(
    part: str, count: int, variants: list[str], accents: tuple[str, ...], taken: set[str], *, invented: float = 0.0
) -> Iterator[Utterance]:
    for i in range(count):
        rng = random.Random(f"{part} {i}")  # per utterance, so that a larger corpus starts like a smaller one
        text = sentence(rng)
        while text in taken:
            text = sentence(rng)
        yield Utterance(
            name=f"{part}/{i:05d}",
            text=text,
            voice=draw_voice(rng, i, accents=accents, variants=variants, invented=invented),
            **draw_manner(rng),
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
