"""Speaks sentences by eSpeak NG, for measures of what is done to the texts of a recogniser (extra `quickstart`)."""

import random
from collections.abc import Sequence

import numpy as np

from jaxspeech.data.espeak import Espeak
from jaxspeech.data.quickstart import split_variants
from jaxspeech.data.spoken import ACCENTS, Utterance, draw_voice, render


def spoken(texts: Sequence[str], *, rate: int) -> list[np.ndarray]:
    """Returns the sentences in voices that the quickstart's training does not have, `rate` samples a second."""
    espeak = Espeak()
    _, unheard = split_variants(espeak.variants)
    clips = []
    for i, text in enumerate(texts):
        rng = random.Random(f"names {i}")
        manner = {"rate": rng.randint(130, 170), "pitch": rng.randint(30, 70), "pitch_range": rng.randint(30, 70)}
        noise = {"silence": (0.2, 0.1), "level_db": -6.0, "snr_db": 30.0, "seed": i}
        voice = draw_voice(rng, i, accents=ACCENTS, variants=unheard)
        clips.append(render(espeak, Utterance(f"{i}", text, voice, **manner, **noise), rate))
    return clips
