"""Diarizes recordings of any length with the step of live streams, in memory that does not grow with the length.

Each recording takes a place among `size` streams, which are stepped together; when it ends, the next one takes it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxspeech.inference.speaker_stream import SpeakerPrograms, SpeakerStream, SpeakerStreams
from jaxspeech.types import Variables


def activity_in_steps(
    programs: SpeakerPrograms, variables: Variables, recordings: Iterable[Iterable[np.ndarray]]
) -> Iterator[Float[np.ndarray, "T S"]]:
    """Computes the probability that each speaker is active in each frame of recordings.

    Args:
      programs: compiled for the model; their `size` is how many recordings are computed together.
      variables: of the model.
      recordings: each in parts of any length, at the model's sample rate; `in_parts` divides one that is in memory.

    Yields:
      the activity of each recording, in their order.
    """
    streams = SpeakerStreams(programs, variables)
    waiting = enumerate(recordings)
    speaking: list[tuple[int, SpeakerStream, Iterator[Any]]] = []
    found: dict[int, np.ndarray] = {}
    following = 0
    while True:
        while len(speaking) < programs.size and (opened := next(waiting, None)) is not None:
            number, parts = opened
            speaking.append((number, streams.open(f"recording {number}"), iter(parts)))
        if not speaking:
            return
        for _, stream, parts in speaking:
            while not (stream.ready or stream.done):
                if (part := next(parts, None)) is None:
                    stream.end()
                else:
                    stream.push(part)
        streams.step()
        for number, stream, _ in speaking:
            if stream.done:
                found[number] = stream.activity
        speaking = [entry for entry in speaking if not entry[1].done]
        while following in found:
            yield found.pop(following)
            following += 1


def in_parts(samples: Float[np.ndarray, " S"], size: int) -> Iterator[Float[np.ndarray, " S"]]:
    """Yields a recording in parts of `size` samples."""
    for first in range(0, len(samples), size):
        yield samples[first : first + size]
