"""Makes the corpus of several readers, for a text-to-mel model that speaks to recognisers: eSpeak NG's voices.

    jaxspeech prepare readers                 # data/readers

writes 16 kHz FLAC files and the manifests `train.jsonl` (about two hours) and `dev.jsonl`. The field `speaker` names
one of READERS voices, each with its own manner; all are natural ones that the quickstart trains on too, so that its
evaluation stays unheard. The sentences are those of voice.py, without punctuation or capitals.
"""

import random
import re
import sys
from collections.abc import Iterator

from jaxspeech.data.quickstart import EFFECT, split_variants
from jaxspeech.data.spoken import ACCENTS, SpokenCorpus, Utterance, draw_voice
from jaxspeech.data.voice_sentences import voice_sentence

READERS = 24


def plan(variants: dict[str, str], *, train: int, dev: int) -> dict[str, list[Utterance]]:
    """Plans every utterance; each reader has as many as any other.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name.
      train: number of training utterances.
      dev: number of evaluation utterances.
    """
    heard, _ = split_variants(variants)
    natural = [name for name in heard if not EFFECT.search(variants[name])]
    readers = [_reader(i, natural) for i in range(READERS)]
    return {"train": list(_utterances("train", train, readers)), "dev": list(_utterances("dev", dev, readers))}


def _reader(i: int, variants: list[str]) -> dict[str, object]:
    """The voice of a reader, which no other has, and the manner."""
    rng = random.Random(f"reader {i}")
    shuffled = random.Random("readers").sample(variants, len(variants))
    voice = draw_voice(rng, 0, accents=ACCENTS, variants=[shuffled[i % len(shuffled)]])
    manner = {"rate": rng.randint(135, 175), "pitch": rng.randint(35, 65), "pitch_range": rng.randint(40, 60)}
    return {"voice": voice, **manner}


def _utterances(part: str, count: int, readers: list[dict[str, object]]) -> Iterator[Utterance]:
    for i in range(count):
        rng = random.Random(f"readers {part} {i}")  # per utterance, so that a larger corpus starts like a smaller one
        manner: dict[str, object] = readers[i % len(readers)]
        fields = {"silence": (0.1, 0.05), "level_db": -3.0, "snr_db": rng.uniform(25.0, 45.0)}
        text = " ".join(re.sub(r"[^a-z']", " ", voice_sentence(rng).lower()).split())
        yield Utterance(**{"name": f"{part}/{i:05d}", "text": text, "seed": rng.getrandbits(32), **fields, **manner})


CORPUS = SpokenCorpus(
    name="readers",
    module="jaxspeech.data.readers",
    version=1,
    sample_rate=16000,
    sizes={"train": 2400, "dev": 48},
    plan=plan,
)

if __name__ == "__main__":
    sys.exit(CORPUS.main())
