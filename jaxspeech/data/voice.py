"""Makes the corpus of a voice: one speaker of eSpeak NG, who reads some thousand English sentences.

    jaxspeech prepare voice                   # data/voice

writes 16 kHz FLAC files and the manifests `train.jsonl` (about two hours) and `dev.jsonl` (50 sentences that are not in
training, of the grammar that the quickstart's recogniser knows). The recordings have no noise and one loudness, and the
speaker is none of those that the quickstart trains on.
"""

import random
import sys
from collections.abc import Iterator

from jaxspeech.data.spoken import SpokenCorpus, Utterance
from jaxspeech.data.voice_sentences import known_sentence, voice_sentence

# The accent and the variant of eSpeak.
SPEAKER = "en-us+m3"
# Words a minute; pitch and liveliness, 0 to 99.
RATE, PITCH, PITCH_RANGE = 155, 50, 55
# Seconds before and after.
SILENCE = (0.08, 0.08)
LEVEL_DB, SNR_DB = -3.0, 60.0


def plan(variants: dict[str, str], *, train: int, dev: int) -> dict[str, list[Utterance]]:
    """Plans every utterance: the texts differ, the voice and the manner do not.

    Args:
      variants: definition of each of eSpeak's speaker variants, by name; not used.
      train: number of training utterances.
      dev: number of evaluation utterances.
    """
    del variants
    taken: set[str] = set()
    evaluation = list(_utterances("dev", dev, taken))
    return {"train": list(_utterances("train", train, taken)), "dev": evaluation}


def _utterances(part: str, count: int, taken: set[str]) -> Iterator[Utterance]:
    for i in range(count):
        rng = random.Random(f"voice {part} {i}")  # per utterance, so that a larger corpus starts like a smaller one
        draw = known_sentence if part == "dev" else voice_sentence
        text = draw(rng)
        while text in taken:
            text = draw(rng)
        if part == "dev":  # training may repeat itself, so that its sentences do not depend on how many there are
            taken.add(text)
        yield Utterance(
            name=f"{part}/{i:05d}",
            text=text,
            voice=SPEAKER,
            rate=RATE,
            pitch=PITCH,
            pitch_range=PITCH_RANGE,
            silence=SILENCE,
            level_db=LEVEL_DB,
            snr_db=SNR_DB,
            seed=rng.getrandbits(32),
        )


VOICE = SpokenCorpus(
    name="voice",
    module="jaxspeech.data.voice",
    version=1,
    sample_rate=16000,
    sizes={"train": 2400, "dev": 50},
    plan=plan,
)

if __name__ == "__main__":
    sys.exit(VOICE.main())
