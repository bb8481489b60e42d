"""A recogniser that listens to synthesised speech, for the word error rate of what it hears."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from jaxspeech.evaluation.synthesis import Listen
from jaxspeech.loading import load
from jaxspeech.pipelines.recognizer import Recognizer


def listener(path: str) -> Listen:
    """Loads a recogniser.

    Args:
      path: of its file, or its name on the Hub.

    Returns:
      (samples of recordings, their rate in Hz) -> what is heard in each.

    Raises:
      SpeechError: the model cannot be read, or is no recogniser.
    """
    recognizer = load(path, Recognizer)

    def listen(samples: Sequence[Float[np.ndarray, " S"]], sample_rate: int) -> list[str]:
        heard = [""] * len(samples)
        # Nothing can be heard where nothing was said.
        some = [number for number, sound in enumerate(samples) if len(sound)]
        found = recognizer.transcribe([samples[number] for number in some], sample_rate=sample_rate, batch_size=8)
        for number, hypothesis in zip(some, found, strict=True):
            heard[number] = hypothesis.text
        return heard

    return listen
