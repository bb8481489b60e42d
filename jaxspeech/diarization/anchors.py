"""Counts the speakers of short recordings, beside those of random vectors whose number is known.

A few seconds hold too few windows for gaps of eigenvalues. Three random speakers with ten vectors each are added, five
times, and subtracted from the commonest count. Equal to NeMo's `getEnhancedSpeakerCount`, with the same random numbers.
"""

import numpy as np
from jaxtyping import Float

from jaxspeech.diarization.affinity import Scale, affinity_of
from jaxspeech.diarization.draws import Draws
from jaxspeech.diarization.neighbours import candidates, search

SPEAKERS, VECTORS, TIMES = 3, 10, 5
# How far the vectors of a random speaker are spread, in deviations of the given ones.
SPREAD = 50
SHARE, CANDIDATES = 0.15, 10


def count_beside_anchors(embeddings: Float[np.ndarray, "N E"]) -> int:
    """Counts the speakers of two or more embeddings; 1 or more."""
    embeddings = np.asarray(embeddings, np.float32)
    counts = [_count(embeddings, Draws(seed)) for seed in range(TIMES)]
    values, times = np.unique(counts, return_counts=True)
    return max(int(values[np.argmax(times)]) - SPEAKERS, 1)


def _count(embeddings: Float[np.ndarray, "N E"], draws: Draws) -> int:
    width, deviations = embeddings.shape[1], embeddings.std(0, ddof=1)
    people = []
    for _ in range(SPEAKERS):
        middle = draws.normal(width)
        noise = draws.normal(VECTORS * width).reshape(VECTORS, width)
        noise = noise / np.abs(noise).max(1, keepdims=True) * deviations
        people.append(middle + SPREAD * noise)
    everyone = np.concatenate([*people, embeddings])
    times = np.arange(len(everyone), dtype=np.float32)[:, None] + np.array([0, 1], np.float32)
    affinity = affinity_of([Scale(everyone, times)], halved=False).matrix()
    tried = candidates(len(everyone), share=SHARE, most=CANDIDATES)
    return search(affinity, tried, most=len(embeddings)).speakers
