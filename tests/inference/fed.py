"""Feeds recordings to live streams."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def fed(streams: Any, audio: Sequence[np.ndarray], rng: np.random.Generator, **slots: Sequence[Any]) -> list[Any]:
    """Returns the hypotheses of all recordings, in parts of any size; each begins where another one ends.

    Args:
      streams: with two places.
      audio: samples of each recording.
      rng: draws the sizes.
      slots: what is asked for, a value for each recording.
    """
    waiting, speaking, found = list(range(len(audio))), {}, {}
    while waiting or speaking:
        while waiting and len(speaking) < 2:
            asked = {name: values[waiting[0]] for name, values in slots.items()}
            speaking[waiting[0]] = (streams.open(**asked), 0)
            waiting.pop(0)
        for i, (stream, at) in list(speaking.items()):
            size = int(rng.integers(1, 9000))
            stream.push(audio[i][at : at + size])
            speaking[i] = stream, at + size
            if at + size >= len(audio[i]):
                stream.end()
        while streams.step():
            pass
        for i, (stream, _) in list(speaking.items()):
            if stream.done:
                found[i] = stream.hypothesis
                del speaking[i]
    return [found[i] for i in range(len(audio))]
