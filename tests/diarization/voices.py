"""Embeddings of conversations whose speakers are known."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from jaxspeech.diarization.affinity import Scale

WINDOWS = ((1.5, 0.75), (1.0, 0.5), (0.5, 0.25))


def conversation(seconds, *, speakers, seed=0, width=16, noise=0.4):
    """Makes windows of three lengths, and who is in the middle of each of the shortest."""
    rng = np.random.default_rng(seed)
    voices = rng.standard_normal((speakers, width))
    ends = np.cumsum(rng.uniform(2, 6, int(seconds) + 2))
    who = np.concatenate([np.arange(speakers), rng.integers(0, speakers, len(ends))])
    scales, speaker = [], who
    for window, shift in WINDOWS:
        starts = np.arange(0, max(seconds - window, shift / 2), shift)
        speaker = who[np.searchsorted(ends, starts + window / 2)]
        vectors = voices[speaker] + noise * rng.standard_normal((len(starts), width))
        scales.append(Scale(vectors.astype(np.float32), np.stack([starts, starts + window], 1)))
    return scales, speaker


def share_of_same(one, other):
    """The share of windows with the same label under the best map of labels."""
    common = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(common, (one, other), 1)
    return common[linear_sum_assignment(-common)].sum() / len(one)


def same_clusters(one, other):
    """Whether two lists of labels are the same up to the numbers."""
    pairs = set(zip(one.tolist(), other.tolist(), strict=True))
    return len(pairs) == len(set(one.tolist())) == len(set(other.tolist()))
